"""Health checks on the real kernel: what they find, and what is left when anybody dies between."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.containers import health
from engine.containers.keeper_link import KeeperLink
from engine.containers.record import ContainerRecord
from engine.errors import InvalidArgument, NotFound
from engine.runtime.execs import ExecSpec
from tests.support import images
from tests.support.engine import Host
from tests.support.processes import eventually
from tests.support.registry import Registry

pytestmark = [pytest.mark.root, pytest.mark.registry]

OK = "test -e /tmp/ok || { echo not yet; exit 3; }"


def wish(line: str, **changes: Any) -> dict[str, Any]:
    return {"test": ["CMD-SHELL", line], "interval_seconds": 0.2, "timeout_seconds": 60, "retries": 2, **changes}


def status(host: Host, record: ContainerRecord) -> str:
    found = host.engine.container_get(record.id).health
    assert found is not None
    return found.status


def becomes(host: Host, record: ContainerRecord, wanted: str) -> None:
    eventually(lambda: status(host, record) == wanted, what=wanted)


def last(host: Host, record: ContainerRecord, holds: Callable[[Any], bool]) -> Any:
    """The newest result, once one is there that `holds`."""

    def newest() -> Any:
        found = host.engine.container_get(record.id).health
        return found.log[-1] if found is not None and found.log and holds(found.log[-1]) else None

    return eventually(newest, what="such a result")


def told(host: Host, record: ContainerRecord) -> list[str]:
    """The statuses that events of health have told."""
    entries = host.engine.journal.read(0, limit=10_000)
    mine = [one for one in entries if one.subject == record.id and one.kind == "container.health"]
    return [one.attributes["health"]["status"] for one in mine]


def test_it_starts_turns_unhealthy_and_healthy_and_tells_of_each_once(host: Host) -> None:
    record = host.run("sleep", "100", healthcheck=wish(OK))
    assert record.as_state()["health"] == {"status": "starting", "failing_streak": 0, "log": []}
    becomes(host, record, "unhealthy")
    found = last(host, record, lambda one: True)
    assert (found.exit_code, found.output) == (3, "not yet\n") and found.start < found.end
    host.engine.container_exec(record.id, ExecSpec(args=("touch", "/tmp/ok")))
    becomes(host, record, "healthy")
    now = time.time()
    last(host, record, lambda one: one.start > now + 0.5)
    assert told(host, record) == ["unhealthy", "healthy"]
    assert len([one for one in host.engine.journal.read(0, limit=10_000) if one.kind == "exec.started"]) == 1
    host.engine.container_kill(record.id)
    state = host.engine.container_get(record.id).as_state()["health"]
    assert state["status"] == "none" and len(state["log"]) > 3, "two that failed, the first good one, and one later"


def test_failures_of_the_start_period_do_not_count(host: Host) -> None:
    patient = wish("exit 1", retries=1, interval_seconds=60, start_period_seconds=60, start_interval_seconds=0.2)
    record = host.run("sleep", "100", healthcheck=patient)
    eventually(lambda: len(host.engine.container_get(record.id).health.log) >= 3, what="three checks")  # type: ignore[union-attr]
    assert status(host, record) == "starting" and told(host, record) == []


def test_a_check_that_takes_too_long_is_killed_with_what_it_started(host: Host) -> None:
    slow = wish("echo began; sleep 4711; echo never", timeout_seconds=0.4, retries=1)
    record = host.run("sleep", "100", healthcheck=slow)
    becomes(host, record, "unhealthy")
    found = last(host, record, lambda one: "began" in one.output)  # a busy machine may not come so far in time
    assert (found.exit_code, found.output) == (-1, "Health check exceeded timeout (0.4s): began\n")
    host.engine.container_pause(record.id)
    time.sleep(0.8)
    host.engine.container_unpause(record.id)
    eventually(lambda: len(_sleepers(host, record)) <= 1, what="no more than the check of now")
    host.engine.container_remove(record.id, force=True)
    assert host.is_clean(record.id) and not _sleepers(host, record)


def _sleepers(host: Host, record: ContainerRecord) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes() == b"sleep\x004711\x00" and record.id in (path.parent / "cgroup").read_text():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


def test_a_check_that_leaves_something_behind_ends_with_its_program(host: Host) -> None:
    record = host.run("sleep", "100", healthcheck=wish("sleep 30 & echo done"))
    becomes(host, record, "healthy")
    assert last(host, record, lambda one: True).output == "done\n"


def test_output_is_kept_up_to_4096_bytes_and_what_is_no_text_does_no_harm(host: Host) -> None:
    record = host.run("sleep", "100", healthcheck=wish("printf '\\377\\000'; yes | head -c 200000; exit 1"))
    found = last(host, record, lambda one: one.exit_code == 1)
    assert len(found.output) == 4096 and found.output.startswith("\ufffd\ufffdy\ny")


@pytest.mark.parametrize(("words", "code"), [(["CMD", "nosuch"], 127), (["CMD", "/etc/not-executable"], 126)])
def test_a_check_that_can_not_be_run_is_a_failure(host: Host, words: list[str], code: int) -> None:
    record = host.run("sleep", "100", healthcheck=wish("", test=words, retries=1))
    becomes(host, record, "unhealthy")
    found = last(host, record, lambda one: True)
    assert found.exit_code == code and words[1] in found.output


def test_nothing_is_checked_while_it_is_paused(host: Host) -> None:
    record = host.run("sh", "-c", "touch /tmp/ok; sleep 100", healthcheck=wish(OK))
    becomes(host, record, "healthy")
    host.engine.container_pause(record.id)
    paused = time.time()
    time.sleep(1)
    found = host.engine.container_get(record.id).health
    assert found is not None and all(one.start < paused for one in found.log)  # one may have been under way
    host.engine.container_unpause(record.id)
    last(host, record, lambda one: one.start > paused)
    assert told(host, record) == ["healthy"]


def test_keeper_hands_and_launcher_may_be_killed_and_checks_go_on(host: Host) -> None:
    record = host.run("sh", "-c", "touch /tmp/ok; sleep 100", healthcheck=wish(f"sleep 0.1; {OK}"))
    becomes(host, record, "healthy")
    victims: dict[str, Callable[[], list[int]]] = {
        "hands": lambda: host.helper_pids("engine.keeper.hands"),
        "launcher": lambda: [host.engine.runtime.ensure_launcher()],
        "keeper": lambda: host.helper_pids("engine.keeper"),
    }
    for name, pids in victims.items():
        found = eventually(pids, what=f"a pid of the {name}")
        for pid in found if isinstance(found, list) else []:
            host.kill_hard(pid)
        host.engine.ensure_helpers()
        now = time.time()
        assert last(host, record, lambda one, now=now: one.start > now).exit_code == 0, name
    assert told(host, record) == ["healthy"]
    host.engine.container_remove(record.id, force=True)
    assert host.is_clean(record.id)


def test_a_run_that_the_keeper_sees_before_its_record_is_checked_all_the_same(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = health.begin

    def late(directory: Path, run: int) -> health.Health:
        """The process is there already, and the keeper looks."""
        KeeperLink(host.home.config).notify(directory.name)
        time.sleep(0.5)
        return begin(directory, run)

    monkeypatch.setattr(health, "begin", late)
    record = host.run("sleep", "100", healthcheck=wish("true"))
    becomes(host, record, "healthy")
    host.engine.container_restart(record.id, 0)
    becomes(host, record, "healthy")


def test_a_removal_while_a_check_runs_leaves_nothing(host: Host) -> None:
    record = host.run("sleep", "100", healthcheck=wish("sleep 4711"))
    eventually(lambda: _sleepers(host, record), what="a check that runs")
    host.engine.container_remove(record.id, force=True)
    assert host.is_clean(record.id)
    assert not [name for name in os.listdir(host.home.config.containers) if record.id in name]
    assert not _sleepers(host, record)


def test_what_is_unhealthy_is_restarted_when_that_was_asked_for(host: Host) -> None:
    once = "test -e /tmp/sick && rm /tmp/sick && touch /tmp/ok || touch /tmp/sick; sleep 100"
    record = host.run(
        "sh", "-c", f"trap 'exit 0' TERM; {once} & wait", healthcheck=wish(OK, retries=3), restart_unhealthy=True
    )
    eventually(lambda: host.engine.container_get(record.id).restart_count == 1, what="its restart")
    becomes(host, record, "healthy")
    expected = ["started", "health", "killed", "died", "restarting", "started", "health"]
    # What is told follows what is so.
    eventually(lambda: len([kind for kind in host.events(record.id) if kind != "created"]) == len(expected))
    assert [kind for kind in host.events(record.id) if kind != "created"] == expected
    died = next(one for one in host.engine.journal.read(0, limit=10_000) if one.kind == "container.died")
    assert (died.attributes["exit_code"], died.attributes["error"]) == (
        0,
        "it was ended because its health check failed",
    )


def test_what_a_person_stops_is_not_restarted_for_its_health(host: Host) -> None:
    record = host.run(
        "sleep", "100", healthcheck=wish("exit 1", retries=1), restart_unhealthy=True, stop_signal="SIGUSR1"
    )
    becomes(host, record, "unhealthy")
    stopped = host.engine.container_stop(record.id, 0.2)
    assert (stopped.status, stopped.exit_code) == ("stopped", 137)
    time.sleep(0.5)
    assert host.engine.container_get(record.id).status == "stopped"


def test_the_image_says_how_and_the_request_what_else(host: Host, registry: Registry) -> None:
    check = {"Test": ["CMD-SHELL", "test $0 = portside"], "Interval": 200_000_000, "Retries": 1}
    layout = images.tiny({"Healthcheck": check, "Shell": ["/bin/sh", "-c"], "Cmd": ["sleep", "100"]})
    image = registry.push(layout, "checked:latest")
    plain = host.run(image=image)
    becomes(host, plain, "unhealthy")
    off = host.run(image=image, healthcheck={"test": ["NONE"]})
    assert off.healthcheck is None and off.as_state()["health"] is None
    other = host.run(image=image, healthcheck={"test": ["CMD", "true"]})
    becomes(host, other, "healthy")
    with pytest.raises(InvalidArgument, match="has a health check"):
        host.engine.container_create(host.spec("true", restart_unhealthy=True))


def test_many_checks_that_hang_keep_nobody_else_waiting(host: Host) -> None:
    for _ in range(6):
        host.run("sleep", "100", healthcheck=wish("sleep 4711", timeout_seconds=60))
    record = host.run("sh", "-c", "exit 7", healthcheck=wish("true"))
    assert host.ended(record.id, 50).exit_code == 7  # those take 60


def test_a_recovery_tells_nothing_of_checks(host: Host) -> None:
    record = host.run("sleep", "100", healthcheck=wish("sleep 0.5"))
    directory = host.home.config.containers / record.id
    started = directory / "exec" / health.exec_id(record.id) / "run.json"
    eventually(started.exists, what="a check that runs")
    for module in ("engine.keeper", "engine.keeper.hands"):
        for pid in host.helper_pids(module):
            host.kill_hard(pid)
    with contextlib.suppress(NotFound):  # killed in the moment before it became its program
        host.engine.runtime.exec_wait(directory, health.exec_id(record.id), 60)
    host.engine.reconcile()
    assert not [one for one in host.engine.journal.read(0, limit=10_000) if one.kind.startswith("exec.")]
    becomes(host, record, "healthy")
