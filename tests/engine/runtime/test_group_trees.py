"""A container's view of its control groups, made before its root is there, and where that can't be."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.runtime import kernel, mounts

MOUNT = {"destination": "/sys/fs/cgroup", "type": "cgroup", "options": ["ro", "nosuid"]}


def _alone(act: Callable[[], bool]) -> bool:
    """Whether `act` says so, in a mount namespace of its own."""
    child = os.fork()
    if child == 0:
        try:
            kernel.unshare(kernel.CLONE_NEWNS)
            kernel.mount("", "/", "", kernel.MS_REC | kernel.MS_PRIVATE)
            os._exit(0 if act() else 1)
        finally:
            os._exit(2)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def _groups(tmp_path: Path) -> list[tuple[str, int]]:
    """Two trees that stand in for those of controllers."""
    found = []
    for name in ("cpu,cpuacct", "pids"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"mark-{name[:3]}").touch()
        found.append((name, kernel.open_tree(kernel.AT_FDCWD, str(tmp_path / name))))
    return found


def _is_whole(tree: int) -> bool:
    seen = {name: os.listdir(os.open(name, os.O_RDONLY, dir_fd=tree)) for name in ("cpu", "cpu,cpuacct", "pids")}
    read_only = os.fstatvfs(tree).f_flag & os.ST_RDONLY
    return bool(read_only) and seen == {"cpu": ["mark-cpu"], "cpu,cpuacct": ["mark-cpu"], "pids": ["mark-pid"]}


def test_the_tree_is_whole_before_it_has_a_place(tmp_path: Path) -> None:
    def act() -> bool:
        tree = mounts.cgroup_tree(MOUNT, _groups(tmp_path))
        return tree is None or _is_whole(tree)  # None before Linux 6.15

    assert _alone(act)


def test_where_nothing_can_hang_on_it_the_groups_are_mounted_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    move = kernel.move_mount

    def refuse(tree: int, target: int) -> None:
        raise OSError(errno.EINVAL, "as before Linux 6.15", "move_mount")

    def act() -> bool:
        groups = _groups(tmp_path)
        monkeypatch.setattr(kernel, "move_mount", refuse)
        if mounts.cgroup_tree(MOUNT, groups) is not None:
            return False
        monkeypatch.setattr(kernel, "move_mount", move)
        (tmp_path / "place").mkdir()
        root = os.open(tmp_path, os.O_PATH)
        mounts.place(root, {**MOUNT, "destination": "/place"}, None, groups)
        return _is_whole(os.open(tmp_path / "place", os.O_RDONLY))

    assert _alone(act)
