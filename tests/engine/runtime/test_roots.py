"""What lies below a container's root: nothing of the host's, whichever way it was entered."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest

from engine.runtime import kernel
from tests.engine.runtime.box import Box

pytestmark = pytest.mark.root

OTHER_PROC = {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid", "noexec", "hidepid=2"]}
Alter = Callable[[dict[str, Any]], None]


def usual(spec: dict[str, Any]) -> None:
    assert any(mount["destination"] == "/proc" for mount in spec["mounts"])


def other_proc(spec: dict[str, Any]) -> None:
    """One that was not made before the request was there: the host's proc is needed until it is."""
    spec["mounts"] = [OTHER_PROC if mount["destination"] == "/proc" else mount for mount in spec["mounts"]]


def no_proc(spec: dict[str, Any]) -> None:
    spec["mounts"] = [mount for mount in spec["mounts"] if not mount["destination"].startswith("/proc")]
    for name in ("maskedPaths", "readonlyPaths"):
        spec["linux"][name] = []


WAYS = pytest.mark.parametrize("alter", [usual, other_proc, no_proc])


def inside(pid: int, look: Callable[[int], str]) -> str:
    """What `look`, given the mount namespace of a process, returns in a child in there, which has the host's rights."""
    target = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            kernel.setns(target, kernel.CLONE_NEWNS)
            os.write(writer, look(target).encode())
        except BaseException as error:
            os.write(writer, repr(error).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.close(target)
    with open(reader) as told:
        text = told.read()
    os.waitpid(child, 0)
    return text


def files(_: int) -> str:
    return " ".join(sorted(os.listdir("/../../..")))


def below(namespace: int) -> str:
    """Take the root away, as nobody in the container may, and join the namespace anew: what lies there."""
    kernel.umount_detach("/")
    kernel.setns(namespace, kernel.CLONE_NEWNS)
    found = sorted(os.listdir("/"))
    try:
        os.mkdir("/new")
    except OSError as error:
        return f"{found} {[os.listdir(f'/{name}') for name in found]} {error.strerror}"
    return "made"


@WAYS
def test_nothing_of_the_host_is_mounted(box: Box, alter: Alter) -> None:
    box.alter = alter
    box.run("/bin/sleep", "1000", collect=False)
    pid = box.created.pid
    with open(f"/proc/{pid}/mountinfo") as file:
        places = [line.split()[4] for line in file]
    assert places.count("/") == 1 and places.count("/proc") == (alter is not no_proc)
    assert inside(pid, files) == " ".join(sorted(os.listdir(f"/proc/{pid}/root")))


@pytest.mark.parametrize("alter", [usual, no_proc])
def test_below_is_an_empty_place_that_can_not_be_written(box: Box, alter: Alter) -> None:
    box.alter = alter
    box.run("/bin/sleep", "1000", collect=False)
    assert inside(box.created.pid, below) == "['proc'] [[]] Read-only file system"
