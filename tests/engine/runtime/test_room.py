"""Processes that join a container: its limit of processes, and groups that its first process has moved out of."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from engine.cgroups import Resources
from engine.errors import ResourceExhausted
from engine.runtime import room
from engine.runtime.wire import Failure
from tests.engine.runtime import execs
from tests.engine.runtime.box import Box

pytestmark = pytest.mark.root


def pipe_with(text: bytes) -> int:
    read, write = os.pipe()
    os.write(write, text)
    os.close(write)
    return read


@pytest.mark.parametrize(
    ("limit", "current", "fits"), [(b"max\n", b"99999\n", True), (b"5\n", b"5\n", True), (b"5\n", b"6\n", False)]
)
def test_who_moved_in_is_told_where_there_is_no_room(limit: bytes, current: bytes, fits: bool) -> None:
    with contextlib.nullcontext() if fits else pytest.raises(Failure, match="pids_limit"):
        room.refuse_crowd([pipe_with(limit), pipe_with(current)])
    room.refuse_crowd([])


def test_an_exec_is_held_by_the_containers_limit_of_processes(box: Box) -> None:
    """Groups of version 1 are moved into, which the kernel lets everybody do."""
    box.run("/bin/sleep", "1000", collect=False, resources=Resources(pids_limit=1))
    with pytest.raises(ResourceExhausted, match="limit of processes"):
        execs.start(box, "/bin/busybox", "true")
    assert box.runtime.execs(box.directory) == []


def sub_group(directory: Path, pid: int) -> Path:
    """As systemd does in a container: process 1 in a group below, and controllers handed down to it."""
    controllers = (directory.parent / "cgroup.controllers").read_text().split()
    if controllers:
        (directory.parent / "cgroup.subtree_control").write_text(f"+{controllers[0]}")
    else:
        pytest.skip("version 2 has no controllers on this machine")
    below = directory / "init.scope"
    below.mkdir()
    (below / "cgroup.procs").write_text(str(pid))
    (directory / "cgroup.subtree_control").write_text(f"+{controllers[0]}")  # EBUSY if anybody were left in it
    return below


def test_an_exec_joins_process_1_where_its_group_hands_controllers_down(box: Box) -> None:
    """Nobody can live in that group then (EBUSY), so all would fail that join this container."""
    box.run("/bin/sleep", "1000", collect=False)
    groups = box.cgroups.directories(box.id)
    directory = groups.get("unified") or groups["pids"]
    if not (directory / "cgroup.subtree_control").exists():
        pytest.skip("this machine has no control groups of version 2")
    pid = box.record()["pid"]
    assert room.joinable(str(directory), pid) == str(directory)
    below = sub_group(directory, pid)
    assert room.joinable(str(directory), pid) == str(below)
    assert room.joinable(str(directory), os.getpid()) == str(directory), "it does not follow whoever is elsewhere"
    assert execs.sh(box, "busybox grep ^0:: /proc/self/cgroup").rstrip().endswith("/init.scope")
    made = execs.start(box, "/bin/sleep", "1000")
    assert str(made.pid) in (below / "cgroup.procs").read_text().split()
    execs.end(box, made)
    assert room.joinable("/nothere/at/all", pid) == "/nothere/at/all"
