"""What groups of one home have together, read back from the kernel and met by processes in them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cgroups import Cgroups, Hierarchy, Resources
from engine.cgroups.quota import HostLimits
from engine.cgroups.v1 import cpu
from engine.config import EngineConfig
from engine.errors import Conflict, InvalidArgument
from tests.support.processes import PATIENCE_SECONDS, eventually

MIB = 1 << 20
HOG = """
import sys
sys.stdin.readline()
data = b"x" * (int(sys.argv[1]) << 20)
print("ready", flush=True)
sys.stdin.read()
"""
FORKS = """
import os, sys, time
sys.stdin.readline()
count = 0
try:
    while count < 50:
        if os.fork() == 0:
            time.sleep(1000)
        count += 1
except BlockingIOError:
    pass
print(count, flush=True)
sys.stdin.read()
"""


class Groups:
    """Two groups of one home, `processes` in them."""

    def __init__(self, home: Path) -> None:
        self.config = EngineConfig(home=home)
        self.cgroups = Cgroups(self.config)
        self.processes: list[subprocess.Popen[str]] = []

    def limit(self, **limits: float) -> None:
        self.cgroups.quota.keep(HostLimits(**limits))  # type: ignore[arg-type]
        for error in self.cgroups.quota.apply().errors:
            raise error

    def inside(self, name: str, program: str, *args: str) -> subprocess.Popen[str]:
        """A program that has been moved into the group and goes on by now."""
        process = subprocess.Popen(
            [sys.executable, "-c", program, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.processes.append(process)
        for path in self.cgroups.join_files(name):
            path.write_text(str(process.pid))
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
        return process

    def value(self, v1: str, v2: str, name: str = "") -> str:
        """What the parent, or the group, has in the file of its version."""
        directory = self.cgroups.directories(name or ".")[v1.partition(".")[0]]
        return (directory / (v2 if self.cgroups.version == "v2" else v1)).read_text().strip()


@pytest.fixture
def groups(tmp_path: Path) -> Iterator[Groups]:
    made = Groups(tmp_path)
    made.cgroups.create("c1", Resources())
    made.cgroups.create("c2", Resources())
    yield made
    for container_id in made.cgroups.list():
        made.cgroups.remove(container_id)
    made.cgroups.remove_parent()
    for process in made.processes:
        process.kill()
        process.communicate()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.root
def test_two_groups_share_the_memory(groups: Groups) -> None:
    groups.limit(memory_bytes=96 * MIB)
    one = groups.inside("c1", HOG, "64")
    assert line(one) == "ready"
    two = groups.inside("c2", HOG, "64")
    eventually(lambda: -9 in (one.poll(), two.poll()), what="one of them to be killed", seconds=PATIENCE_SECONDS)


@pytest.mark.root
def test_two_groups_share_the_processes_and_a_new_limit_meets_them_at_once(groups: Groups) -> None:
    for _ in range(2):
        line(groups.inside("c1", HOG, "1"))
    groups.limit(pids=5)
    assert line(groups.inside("c2", FORKS)) == "2"
    groups.limit(pids=6)
    assert line(groups.inside("c1", FORKS)) == "0"
    assert groups.value("pids.max", "pids.max") == "6"
    groups.limit()
    assert groups.value("pids.max", "pids.max") == "max"


@pytest.mark.root
def test_a_group_has_no_more_processor_time_than_all_have(groups: Groups) -> None:
    v2 = groups.cgroups.version == "v2"
    groups.cgroups.create("c3", Resources(cpus=0.8))
    own = groups.cgroups.directories("c3")["cpu"] / "own"  # as a container makes one
    own.mkdir()
    if not v2:
        (own / "cpu.cfs_quota_us").write_text("70000")
    groups.limit(cpus=0.5)
    assert groups.value("cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
    groups.cgroups.create("c4", Resources(cpus=1.0))
    groups.cgroups.change("c2", Resources(), Resources(cpu_quota=30_000, cpu_period=20_000))
    if not v2:
        assert groups.value("cpu.cfs_quota_us", "", "c3") == groups.value("cpu.cfs_quota_us", "", "c4") == "50000"
        assert groups.value("cpu.cfs_quota_us", "", "c2") == "10000"
        assert (own / "cpu.cfs_quota_us").read_text().strip() == "50000"
    groups.limit(cpus=0.25)
    groups.inside("c1", "while True: pass")
    groups.inside("c2", "while True: pass")
    stat = groups.cgroups.directories(".")["cpu"] / "cpu.stat"
    eventually(lambda: int(stat.read_text().partition("nr_throttled ")[2].split()[0]) > 0, what="held back together")
    groups.limit()
    assert groups.value("cpu.cfs_quota_us", "cpu.max").split()[0] in ("-1", "max")


@pytest.mark.root
def test_less_memory_than_is_used_is_told_holds_what_is_there_and_comes_later(groups: Groups) -> None:
    groups.limit(memory_bytes=512 * MIB)
    process = groups.inside("c1", HOG, "100")
    assert line(process) == "ready"
    with pytest.raises(Conflict, match="bytes of memory just now") as caught:
        groups.limit(memory_bytes=32 * MIB, pids=40)
    assert caught.value.detail["field"] == "memory_bytes"
    assert groups.value("pids.max", "pids.max") == "40", "all else holds"
    held = int(groups.value("memory.limit_in_bytes", "memory.max"))
    assert 32 * MIB < held < 150 * MIB, "no more than there is"
    process.kill()

    def holds() -> bool:
        return not groups.cgroups.quota.apply().errors

    eventually(holds, what="the limit")
    assert groups.value("memory.limit_in_bytes", "memory.max") == str(32 * MIB)
    assert groups.cgroups.quota.apply().wrote == (), "nothing is written twice"


@pytest.mark.root
def test_a_group_that_comes_again_has_the_limits_and_builds_lie_in_it(groups: Groups) -> None:
    groups.limit(memory_bytes=64 * MIB, cpus=1.5, pids=30)
    for name in ("c1", "c2"):
        groups.cgroups.remove(name)
    groups.cgroups.remove_parent()
    assert not groups.cgroups.quota.is_there()
    builds = Cgroups(groups.config, parent=groups.config.build_cgroup)  # another process, which knows the home alone
    builds.create("step", Resources(cpus=2.0, cpuset_cpus="0") if "cpuset" in Hierarchy.of_this_machine().v1
                  else Resources(cpus=2.0))  # fmt: skip
    assert groups.value("memory.limit_in_bytes", "memory.max") == str(64 * MIB)
    assert groups.value("cpu.cfs_quota_us", "cpu.max").split()[0] == "150000"
    assert groups.value("pids.max", "pids.max") == "30"
    assert (groups.cgroups.list(), builds.list()) == ([], ["step"])
    above = groups.cgroups.directories(".")["pids"].resolve()
    assert above in builds.directories("step")["pids"].parents
    builds.remove("step")
    builds.remove_parent()
    assert not (above / "builds").exists()


def test_what_can_not_be_is_refused_by_name(tmp_path: Path) -> None:
    quota = Cgroups(EngineConfig(home=tmp_path)).quota
    for limits, field in (
        (HostLimits(memory_bytes=1), "memory_bytes"),
        (HostLimits(cpus=0.0), "cpus"),
        (HostLimits(cpus=float("nan")), "cpus"),
        (HostLimits(pids=0), "pids"),
    ):
        with pytest.raises(InvalidArgument) as caught:
            quota.keep(limits)
        assert caught.value.detail["field"] == field
    assert quota.limits is None


def test_version_2_has_them_in_its_files(tmp_path: Path) -> None:
    config = EngineConfig(home=tmp_path / "home")
    config.home.mkdir()
    group = tmp_path / "tree" / config.cgroup_parent
    group.mkdir(parents=True)
    for name in ("memory.max", "memory.swap.max", "memory.current", "pids.max", "cpu.max"):
        (group / name).write_text("")
    quota = Cgroups(config, Hierarchy("v2", {}, tmp_path / "tree")).quota
    assert quota.apply().wrote == (), "nobody has said anything yet"
    quota.keep(HostLimits(memory_bytes=64 * MIB, cpus=2.5, pids=100))
    assert set(quota.apply().wrote) == {"memory_bytes", "cpus", "pids"}
    values = {path.name: path.read_text() for path in group.iterdir()}
    assert (values["memory.max"], values["cpu.max"], values["pids.max"]) == (str(64 * MIB), "250000 100000", "100")
    quota.keep(HostLimits())
    assert set(quota.apply().wrote) == {"memory_bytes", "cpus", "pids"}
    lifted = [(group / name).read_text() for name in ("memory.max", "cpu.max", "pids.max")]
    assert all(text.startswith("max") for text in lifted), "a real file has no rest of what it was"


@pytest.mark.parametrize(
    ("quota", "period", "most", "fitting"),
    [
        (50_000, 100_000, (50_000, 100_000), (50_000, 100_000)),
        (80_000, 100_000, (50_000, 100_000), (50_000, 100_000)),
        (30_000, 20_000, (50_000, 100_000), (10_000, 20_000)),
        (1_000, 1_000, (50_000, 100_000), (50_000, 100_000)),  # the kernel takes no quota below a millisecond
    ],
)
def test_a_quota_within_another(quota: int, period: int, most: tuple[int, int], fitting: tuple[int, int]) -> None:
    assert cpu.within(quota, period, most) == fitting
