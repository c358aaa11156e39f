"""Control groups of every version: the real ones of this machine, and directories that imitate the others."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cgroups import Cgroups, Hierarchy, Resources, service
from engine.cgroups.v2 import core
from engine.config import EngineConfig
from engine.errors import InvalidArgument, Unsupported

V2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw\n"
HYBRID = (
    "30 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
    "31 25 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
    "32 25 0:29 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n"
    "33 25 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
)
UNIFIED = "34 25 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
FOREIGN = "35 25 0:27 /somebody /mnt/memory rw - cgroup cgroup rw,memory\n"


def test_the_version_is_read_from_the_mounts() -> None:
    assert Hierarchy.of_this_machine(V2) == Hierarchy("v2", {}, Path("/sys/fs/cgroup"))
    assert Hierarchy.of_this_machine(HYBRID).version == "v1"
    hybrid = Hierarchy.of_this_machine(FOREIGN + HYBRID + UNIFIED)
    assert (hybrid.version, hybrid.unified) == ("hybrid", Path("/sys/fs/cgroup/unified"))
    assert hybrid.v1["cpuacct"] == hybrid.v1["cpu"] == Path("/sys/fs/cgroup/cpu,cpuacct")
    assert hybrid.v1["memory"] == Path("/sys/fs/cgroup/memory")


def test_a_machine_without_control_groups_is_unsupported() -> None:
    with pytest.raises(Unsupported):
        Hierarchy.of_this_machine("22 1 8:1 / / rw - ext4 /dev/sda1 rw\n")


@pytest.mark.parametrize(
    "resources",
    [
        Resources(memory_bytes=6 * 1024 * 1024 - 1),
        Resources(cpus=0.001),
        Resources(cpus=100_000),
        Resources(pids_limit=0),
    ],
)
def test_a_limit_out_of_range_is_refused_by_name(resources: Resources) -> None:
    with pytest.raises(InvalidArgument) as caught:
        resources.check(4)
    assert caught.value.detail["field"] in ("memory_bytes", "cpus", "pids_limit")


@pytest.fixture
def imitation(tmp_path: Path) -> tuple[Cgroups, Path]:
    """A version 2 tree of plain files; the kernel's part (making a group's files) is done by hand."""
    root = tmp_path / "tree"
    config = EngineConfig(home=tmp_path / "home")
    container = root / config.cgroup_parent / "c1"
    container.mkdir(parents=True)
    for directory in (root, root / config.cgroup_parent):
        (directory / "cgroup.controllers").write_text("cpuset cpu io memory pids\n")
        (directory / "cgroup.subtree_control").write_text("")
    for name in ("memory.max", "memory.swap.max", "cpu.max", "pids.max", "cgroup.procs", "cgroup.freeze"):
        (container / name).write_text("")
    return Cgroups(config, Hierarchy("v2", {}, root)), container


def test_version_2_limits_go_into_its_files(imitation: tuple[Cgroups, Path]) -> None:
    cgroups, container = imitation
    cgroups.create("c1", Resources(memory_bytes=64 << 20, cpus=0.5, pids_limit=100))
    values = {p.name: p.read_text() for p in container.iterdir()}
    assert values["memory.max"] == str(64 << 20)
    assert values["memory.swap.max"] == "0"
    assert values["cpu.max"] == "50000 100000"
    assert values["pids.max"] == "100"
    assert (container.parent / "cgroup.subtree_control").read_text().startswith("+")


def test_version_2_counts_and_lists(imitation: tuple[Cgroups, Path]) -> None:
    cgroups, container = imitation
    (container / "memory.events").write_text("low 0\noom 3\noom_kill 2\n")
    (container / "cgroup.procs").write_text("12\n34\n")
    (container / "cgroup.events").write_text("populated 1\nfrozen 1\n")
    assert cgroups.oom_kills("c1") == 2
    assert cgroups.pids("c1") == [12, 34]
    assert cgroups.is_frozen("c1")
    assert cgroups.list() == ["c1"]
    assert cgroups.oom_kills("gone") == 0
    assert cgroups.pids("gone") == []


def test_version_2_is_entered_by_its_directory_and_shows_itself_whole(imitation: tuple[Cgroups, Path]) -> None:
    cgroups, container = imitation
    entrance = cgroups.entrance("c1")
    assert entrance.tasks == ()
    assert entrance.unified == str(container)
    assert entrance.mounts == (("", str(container)),)


def test_a_missing_controller_is_unsupported(imitation: tuple[Cgroups, Path]) -> None:
    cgroups, container = imitation
    (container.parent.parent / "cgroup.controllers").write_text("hugetlb\n")
    with pytest.raises(Unsupported, match="memory, cpu, pids"):
        cgroups.create("c1", Resources())


@pytest.fixture
def real(tmp_path: Path) -> Iterator[Cgroups]:
    cgroups = Cgroups(EngineConfig(home=tmp_path))
    yield cgroups
    for container_id in cgroups.list():
        cgroups.remove(container_id)
    cgroups.remove_parent()


@pytest.fixture
def sleeper(real: Cgroups) -> Iterator[subprocess.Popen[bytes]]:
    """A process inside the groups of "c1"."""
    real.create("c1", Resources(memory_bytes=32 << 20, cpus=0.5, pids_limit=20))
    process = subprocess.Popen(["sleep", "100"])
    for path in real.join_files("c1"):
        path.write_text(str(process.pid))
    yield process
    process.kill()
    process.wait()


@pytest.mark.root
def test_the_kernel_takes_the_limits(real: Cgroups, sleeper: subprocess.Popen[bytes]) -> None:
    where = real.directories("c1")
    limits = {"memory.limit_in_bytes", "memory.max", "pids.max", "cpu.cfs_quota_us", "cpu.max"}
    found = {p.name: p.read_text().strip() for d in set(where.values()) for p in d.iterdir() if p.name in limits}
    assert str(32 << 20) in (found.get("memory.limit_in_bytes"), found.get("memory.max"))
    assert found["pids.max"] == "20"
    assert found.get("cpu.cfs_quota_us", found.get("cpu.max", "").split(" ")[0]) == "50000"
    assert real.pids("c1") == [sleeper.pid]


@pytest.mark.root
def test_version_1_devices_are_an_allow_list(real: Cgroups, sleeper: subprocess.Popen[bytes]) -> None:
    where = real.directories("c1")
    if "devices" not in where:
        pytest.skip("this machine has no version 1 devices controller")
    rules = (where["devices"] / "devices.list").read_text().splitlines()
    assert "c 1:3 rwm" in rules
    assert not any(rule.startswith(("a", "b")) for rule in rules)


@pytest.mark.root
def test_removal_kills_what_is_inside_frozen_or_not(real: Cgroups, sleeper: subprocess.Popen[bytes]) -> None:
    real.freeze("c1")
    assert real.is_frozen("c1")
    real.remove("c1")
    assert sleeper.wait(60) == -9
    assert real.list() == []
    real.remove("c1")


@pytest.mark.root
def test_removal_takes_groups_that_were_made_below(real: Cgroups) -> None:
    real.create("c1", Resources())
    for directory in set(real.directories("c1").values()):
        (directory / "a" / "b").mkdir(parents=True)
    real.remove("c1")
    assert real.list() == []


@pytest.mark.root
def test_without_the_unified_tree_version_1_freezes_and_kills(tmp_path: Path) -> None:
    machine = Hierarchy.of_this_machine()
    if machine.version == "v2":
        pytest.skip("this machine has version 2 alone")
    cgroups = Cgroups(EngineConfig(home=tmp_path), Hierarchy("v1", machine.v1, None))
    cgroups.create("c1", Resources(pids_limit=5))
    process = subprocess.Popen(["sleep", "100"])
    for path in cgroups.join_files("c1"):
        path.write_text(str(process.pid))
    cgroups.freeze("c1")
    assert cgroups.is_frozen("c1")
    cgroups.thaw("c1")
    assert not cgroups.is_frozen("c1")
    cgroups.freeze("c1")
    cgroups.remove("c1")
    assert process.wait(60) == -9
    cgroups.remove_parent()


@pytest.mark.root
def test_the_core_of_version_2_works_on_a_real_tree(tmp_path: Path) -> None:
    unified = Hierarchy.of_this_machine().unified
    if unified is None:
        pytest.skip("this machine has no version 2 tree")
    group = unified / f"portside-test-{os.getpid()}"
    group.mkdir()
    process = subprocess.Popen(["sleep", "100"])
    (group / "cgroup.procs").write_text(str(process.pid))
    core.freeze(group)
    deadline = time.monotonic() + 60
    while not core.is_frozen(group):
        assert time.monotonic() < deadline
    assert core.kill(group)
    assert process.wait(60) == -9
    while True:
        try:
            group.rmdir()
            break
        except OSError:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.root
def test_a_refused_limit_leaves_nothing(real: Cgroups) -> None:
    with pytest.raises(InvalidArgument):
        real.create("c2", Resources(memory_bytes=1))
    assert real.list() == []


def test_a_group_that_another_runtime_makes_while_ours_are_removed_goes_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one in a tree where nothing of ours is. Directories will do: what they hold is of no importance."""
    unified, freezer = tmp_path / "unified", tmp_path / "freezer"
    cgroups = Cgroups(EngineConfig(home=tmp_path), Hierarchy("hybrid", {}, unified, (freezer,)), parent="portside")
    (unified / "portside" / "box").mkdir(parents=True)
    really_removed = service._removed

    def removed(path: Path) -> bool:
        if Path(path).is_relative_to(unified):
            (freezer / "portside" / "box").mkdir(parents=True, exist_ok=True)
        return really_removed(path)

    monkeypatch.setattr(service, "_removed", removed)
    cgroups.remove("box")
    assert list(tmp_path.glob("*/portside/*")) == []
