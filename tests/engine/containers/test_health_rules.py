"""What results of a health check amount to, and what request and image make of one another: Docker's rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine.containers import health, restarts
from engine.containers.health import Health, Result
from engine.oci.image_config import ImageConfig
from engine.options import healthcheck
from engine.options.healthcheck import Healthcheck

CHECK = Healthcheck(
    args=("true",),
    interval_seconds=30,
    timeout_seconds=30,
    start_period_seconds=10,
    start_interval_seconds=2,
    retries=2,
)


def result(at: float, code: int) -> Result:
    return Result(start=at, end=at + 1, exit_code=code, output="")


def course(*results: Result) -> list[tuple[str, int]]:
    """The status and the streak after each of `results`, for a run that began at 1000."""
    now, seen = Health(), []
    for one in results:
        now = now.after(one, CHECK, 1000)
        seen.append((now.status, now.failing_streak))
    return seen


def test_failures_in_a_row_make_unhealthy_and_one_success_makes_healthy() -> None:
    results = [result(1020, 1), result(1050, 0), result(1080, 1), result(1110, 2), result(1140, -1), result(1170, 0)]
    assert course(*results) == [
        ("starting", 1), ("healthy", 0), ("healthy", 1), ("unhealthy", 2), ("unhealthy", 3), ("healthy", 0)
    ]  # fmt: skip


def test_failures_of_the_start_period_do_not_count_until_it_has_once_been_healthy() -> None:
    assert course(result(1001, 1), result(1005, 1), result(1009, 1)) == [("starting", 0)] * 3
    assert course(result(1001, 0), result(1005, 1), result(1009, 1)) == [
        ("healthy", 0),
        ("healthy", 1),
        ("unhealthy", 2),
    ]
    assert course(result(1009, 1), result(1010, 1)) == [("starting", 0), ("starting", 1)]


def test_the_last_five_results_are_kept() -> None:
    now = Health()
    for at in range(8):
        now = now.after(result(at, 0), CHECK, 0)
    assert [one.start for one in now.log] == [3, 4, 5, 6, 7]


def test_checks_come_at_the_start_interval_while_it_starts_and_a_clock_that_jumps_does_not_stop_them() -> None:
    new = Health()
    assert new.due_in(CHECK, 1000, 1000) == 2
    assert new.due_in(CHECK, 1000, 1011) == 19
    checked = new.after(result(1002, 0), CHECK, 1000)
    assert checked.due_in(CHECK, 1000, 1003) == 30
    assert checked.due_in(CHECK, 1000, -100_000) == 30
    assert checked.due_in(CHECK, 1000, 100_000) < 0


def test_a_new_run_starts_anew_with_the_old_history(tmp_path: Path) -> None:
    health.save(tmp_path, Health(run=1).after(result(1020, 1), CHECK, 0).after(result(1050, 1), CHECK, 0))
    assert health.load(tmp_path).status == "unhealthy"
    begun = health.begin(tmp_path, 2)
    assert (begun.run, begun.status, begun.failing_streak, len(begun.log)) == (2, "starting", 0, 2)
    assert health.load(tmp_path) == begun
    (tmp_path / health.FILE).write_bytes(b'{"run": 2, "lo')
    assert health.load(tmp_path) == Health()


def test_what_is_ended_for_its_health_is_restarted_whatever_its_policy() -> None:
    def wants(policy: str, limit: int | None = None, **changes: Any) -> bool:
        facts = {"exit_code": 0, "restart_count": 2, "stopped": False, "unhealthy": True, **changes}
        return restarts.wants_restart(policy, limit, **facts)

    assert wants("no") and wants("always") and wants("on-failure") and wants("on-failure", 3)
    assert not wants("on-failure", 2) and not wants("no", stopped=True) and not wants("no", unhealthy=False)


def parsed(check: dict[str, Any], **more: Any) -> ImageConfig:
    config = {"Healthcheck": check, **more}
    document = {"architecture": "amd64", "os": "linux", "rootfs": {"diff_ids": []}, "config": config}
    return ImageConfig.parse(json.dumps(document).encode())


def test_a_request_fills_up_with_what_the_image_says() -> None:
    image = parsed({"Test": ["CMD-SHELL", "probe x"], "Interval": 2_000_000_000, "Retries": 7, "Timeout": 1_000_000})
    found = healthcheck.merge(None, image.healthcheck, image.shell)
    assert found is not None and found.args == ("/bin/sh", "-c", "probe x")
    assert (found.interval_seconds, found.timeout_seconds, found.retries) == (2, 0.1, 7)
    assert (found.start_period_seconds, found.start_interval_seconds) == (0, 5)
    found = healthcheck.merge({"interval_seconds": 1.5, "retries": 1}, image.healthcheck, ("/bin/bash", "-ec"))
    assert found is not None and found.args == ("/bin/bash", "-ec", "probe x")
    assert (found.interval_seconds, found.retries) == (1.5, 1)
    found = healthcheck.merge({"test": ["CMD", "a", "b"]}, image.healthcheck)
    assert found is not None and (found.args, found.interval_seconds) == (("a", "b"), 2)
    assert Healthcheck.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_none_means_no_check() -> None:
    image = parsed({"Test": ["CMD", "a"]})
    assert healthcheck.merge({"test": ["NONE"]}, image.healthcheck) is None
    assert healthcheck.merge(None, parsed({"Test": ["NONE"]}).healthcheck) is None
    assert healthcheck.merge({"interval_seconds": 3}, None) is None
    assert healthcheck.merge(None, parsed({}).healthcheck) is None


@pytest.mark.parametrize(
    "wish",
    [
        {"test": ["true"]},
        {"test": ["CMD"]},
        {"test": ["CMD", ""]},
        {"test": ["CMD-SHELL", "a", "b"]},
        {"test": ["NONE", "a"]},
        {"test": "curl localhost"},
        {"test": ["CMD", "a\0b"]},
        {"test": ["CMD", "a"], "interval_seconds": 0.01},
        {"test": ["CMD", "a"], "timeout_seconds": -1},
        {"test": ["CMD", "a"], "start_period_seconds": "soon"},
        {"test": ["CMD", "a"], "retries": 1.5},
        {"test": ["CMD", "a"], "retries": True},
        {"test": ["CMD", "a"], "Interval": 5},
    ],
)
def test_what_can_not_work_is_told(wish: dict[str, Any]) -> None:
    assert len(list(healthcheck.problems(wish))) == 1


def test_what_can_work_is_not_complained_of() -> None:
    for wish in (None, {}, {"test": ["NONE"]}, {"test": ["CMD-SHELL", "a"], "retries": 0, "interval_seconds": 0.2}):
        assert list(healthcheck.problems(wish)) == []
