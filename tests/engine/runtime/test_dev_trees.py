"""What is mounted below /dev hangs on it before anybody asks for a container, and is as the container wants it."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.cgroups import Cgroups
from engine.config import EngineConfig
from engine.runtime import ahead, kernel
from engine.runtime.client import Runtime
from tests.engine.runtime.box import Box

pytestmark = pytest.mark.root

DEV = {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]}
SHM = {"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["mode=1777", "size=1m"]}
QUEUES = {"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue"}
SEEN = "busybox awk '$5 ~ \"^/dev\" { print $5, $(NF-2) }' /proc/self/mountinfo | busybox sort; busybox ls -d /dev/*/"
Alter = Callable[[list[dict[str, Any]]], None]


@pytest.fixture(params=["pooled", "from scratch"])
def box(tmp_path: Path, image: Path, request: pytest.FixtureRequest) -> Iterator[Box]:
    config = EngineConfig(home=tmp_path / "home")
    config.home.mkdir()
    cgroups = Cgroups(config)
    runtime = Runtime(config, cgroups, pool=2 if request.param == "pooled" else 0)
    made = Box(config, runtime, cgroups, image)
    yield made
    made.remove()
    runtime.stop_launcher()
    cgroups.remove_parent()


def seen(box: Box, alter: Alter | None = None) -> tuple[list[str], list[str]]:
    """(mounts, each with its type; directories) at and below /dev, as the container sees them."""
    if alter is not None:
        box.alter = lambda spec: alter(spec["mounts"])
    lines = box.sh(SEEN).splitlines()
    return [line for line in lines if " " in line], [line for line in lines if " " not in line]


USUAL = (
    ["/dev tmpfs", "/dev/mqueue mqueue", "/dev/pts devpts", "/dev/shm tmpfs"],
    ["/dev/fd/", "/dev/mqueue/", "/dev/pts/", "/dev/shm/"],
)


def test_the_usual_ones_are_there(box: Box) -> None:
    assert seen(box) == USUAL
    assert box.was_pooled == box.wants_pool


def test_another_order_and_other_options_are_followed(box: Box) -> None:
    def alter(mounts: list[dict[str, Any]]) -> None:
        at = [mount["destination"] for mount in mounts].index("/dev/pts")
        mounts[at : at + 3] = reversed(mounts[at : at + 3])
        small = next(mount for mount in mounts if mount["destination"] == "/dev/shm")
        small["options"] = [*(word for word in small["options"] if not word.startswith("size=")), "size=8m"]

    assert seen(box, alter) == USUAL
    assert box.was_pooled == box.wants_pool


def test_what_is_not_asked_for_is_not_there(box: Box) -> None:
    def alter(mounts: list[dict[str, Any]]) -> None:
        mounts[:] = [mount for mount in mounts if mount["destination"] != "/dev/mqueue"]

    assert seen(box, alter) == (
        ["/dev tmpfs", "/dev/pts devpts", "/dev/shm tmpfs"],
        ["/dev/fd/", "/dev/pts/", "/dev/shm/"],
    )


def test_a_mount_in_between_covers_what_came_before(box: Box) -> None:
    """A tmpfs on all of /dev after the first: what the specification has below it later lies in the second."""

    def alter(mounts: list[dict[str, Any]]) -> None:
        at = [mount["destination"] for mount in mounts].index("/dev/shm")
        mounts.insert(at, {"destination": "/dev/pts", "type": "tmpfs", "source": "over", "options": ["size=64k"]})

    mounts, _ = seen(box, alter)
    assert mounts == ["/dev tmpfs", "/dev/mqueue mqueue", "/dev/pts devpts", "/dev/pts tmpfs", "/dev/shm tmpfs"]


def test_where_nothing_can_hang_on_it_all_is_mounted_later(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(tree: int, target: int) -> None:
        raise OSError(errno.EINVAL, "as before Linux 6.15", "move_mount")

    monkeypatch.setattr(kernel, "move_mount", refuse)
    trees = ahead.device_trees([DEV, SHM, QUEUES], [], 0)
    trees.append((SHM, kernel.new_mount("tmpfs", [("size", "1m")], 0)))
    trees.append((QUEUES, kernel.new_mount("tmpfs", [("size", "1m")], 0)))
    known = list(trees)
    assert ahead._hang(trees, [DEV, SHM, QUEUES]) == []
    assert trees == known
    for _, tree in trees:
        os.close(tree)


def test_another_refusal_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(tree: int, target: int) -> None:
        raise OSError(errno.ENOSPC, "too many mounts", "move_mount")

    monkeypatch.setattr(kernel, "move_mount", refuse)
    trees = ahead.device_trees([DEV, SHM], [], 0)
    trees.append((SHM, kernel.new_mount("tmpfs", [("size", "1m")], 0)))
    with pytest.raises(OSError, match="too many mounts"):
        ahead._hang(trees, [DEV, SHM])
    for _, tree in trees:
        os.close(tree)
