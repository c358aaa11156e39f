"""Real-time processor time, on the real kernel: granted, changed, taken away, refused."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cgroups import Cgroups
from engine.containers.record import ContainerRecord
from engine.errors import InvalidArgument, Unsupported
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]
RUNTIME, PERIOD = "cpu.rt_runtime_us", "cpu.rt_period_us"
OF_THE_HOST = 20_000


def group(host: Host, name: str) -> Path:
    """The directory of the container, or "." for all of them."""
    return Cgroups(host.engine.config).directories(name)["cpu"]


@pytest.fixture
def share(host: Host) -> Iterator[Path]:
    """The file of what all containers have together; it has something, or the test says that this kernel gives none."""
    host.run("true")  # the group comes with the first
    file = group(host, ".") / RUNTIME
    if not file.exists():
        spec = host.spec("true", cpu_rt_runtime=1000)
        host.engine.container_create(spec)
        with pytest.raises(Unsupported, match=r"^cpu_rt_runtime: .*rtprio=99"):
            host.engine.container_start(spec.id)
        pytest.skip("this kernel shares out no real-time processor time, which is told")
    file.write_text(str(OF_THE_HOST))
    yield file

    def is_given_back() -> bool:
        """A group that has just been removed still counts for a moment."""
        with contextlib.suppress(OSError):
            for below in file.parent.glob(f"*/{RUNTIME}"):
                below.write_text("0")
            file.write_text("0")
            return True
        return False

    eventually(is_given_back, what="no share for containers")


def has(host: Host, record: ContainerRecord) -> tuple[str, str]:
    directory = group(host, record.id)
    return (directory / RUNTIME).read_text().strip(), (directory / PERIOD).read_text().strip()


def test_a_container_has_its_share_and_programs_in_it_take_priority(host: Host, share: Path) -> None:
    record = host.run("sleep", "100", cpu_rt_runtime=5000, cpu_rt_period=500_000)
    assert has(host, record) == ("5000", "500000")
    os.sched_setscheduler(record.pid or 0, os.SCHED_FIFO, os.sched_param(10))
    with pytest.raises(InvalidArgument, match="has real-time priority just now"):
        host.engine.container_update(record.id, {"cpu_rt_runtime": None})
    without = host.run("sleep", "100")
    with pytest.raises(PermissionError):
        os.sched_setscheduler(without.pid or 0, os.SCHED_FIFO, os.sched_param(10))
    for each in (record, without):
        host.engine.container_remove(each.id, force=True)


def test_the_share_changes_under_a_running_container(host: Host, share: Path) -> None:
    record = host.run("sleep", "100")
    for runtime, period in ((5000, None), (200, 20_000), (20_000, 1_000_000), (None, None)):
        host.engine.container_update(record.id, {"cpu_rt_runtime": runtime, "cpu_rt_period": period})
        assert has(host, record) == (str(runtime or 0), str(period or 1_000_000))
    host.engine.container_update(record.id, {"cpu_rt_runtime": 7000})
    record = host.engine.container_restart(record.id, 0)
    assert has(host, record)[0] == "7000"
    host.engine.container_remove(record.id, force=True)


def test_more_than_the_hosts_share_is_refused_with_the_file(host: Host, share: Path) -> None:
    record = host.run("sleep", "100", cpu_rt_runtime=15_000)
    other = host.spec("sleep", "100", cpu_rt_runtime=10_000)
    host.engine.container_create(other)
    with pytest.raises(
        InvalidArgument, match=f"{OF_THE_HOST} of 1000000 microseconds.*writes a larger number to {share}"
    ):
        host.engine.container_start(other.id)
    with pytest.raises(InvalidArgument, match=r"^cpu_rt_runtime: ") as caught:
        host.engine.container_update(record.id, {"cpu_rt_runtime": 25_000, "pids_limit": 50})
    assert caught.value.detail["field"] == "cpu_rt_runtime"
    assert has(host, record) == ("15000", "1000000")
    assert (group(host, record.id).parent / record.id).exists()
    share.write_text("40000")
    host.engine.container_start(other.id)
    for each in (record, other):
        host.engine.container_remove(each.id, force=True)
