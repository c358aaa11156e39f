"""The devices of this host that containers may be given: what is at a path, or all there are."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from engine.errors import InvalidArgument
from engine.options import devices as words
from engine.runtime.spec import DeviceNode

_ROOT = "/dev"
# Made anew in every container, or belonging to somebody's terminals and memory.
_LEFT_OUT = ("pts", "shm", "fd", "mqueue", "console", "ptmx", ".lxc", ".lxd-mounts", ".udev", "init")


def given(entries: tuple[str, ...]) -> list[DeviceNode]:
    """The nodes of `devices` ("/dev/fuse:/dev/fuse:rwm"). Raises InvalidArgument for what is no device here."""
    return [_node(device.host, device.container) for device in map(words.device, entries)]


def rules(entries: tuple[str, ...]) -> list[str]:
    """The same as rules of the control group."""
    found = []
    for device in map(words.device, entries):
        node = _node(device.host, device.container)
        found.append(f"{node.kind} {node.major}:{node.minor} {device.permissions}")
    return found


def every() -> list[DeviceNode]:
    """All device nodes of the host's /dev, for a privileged container."""
    return sorted(_walk(_ROOT), key=lambda node: node.path)


def _walk(directory: str) -> Iterator[DeviceNode]:
    try:
        entries = list(os.scandir(directory))
    except OSError:  # gone, or a file system that doesn't answer
        return
    for entry in entries:
        if directory == _ROOT and entry.name in _LEFT_OUT:
            continue
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(entry.path)
                continue
            found = entry.stat(follow_symlinks=False)
        except OSError:
            continue
        if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode):
            yield _made_of(found, entry.path)


def disk(path: str, field: str) -> str:
    """major:minor of the block device at `path`. Raises InvalidArgument that names the field."""
    try:
        found = os.stat(path)
    except OSError as error:
        raise _no(field, f"{path}: {error.strerror}") from None
    if not stat.S_ISBLK(found.st_mode):
        raise _no(field, f"{path} is no disk (block device) of this host")
    return f"{os.major(found.st_rdev)}:{os.minor(found.st_rdev)}"


def _node(host: str, container: str) -> DeviceNode:
    try:
        found = os.stat(host)
    except OSError as error:
        raise _no("devices", f"{host}: {error.strerror}; this host has no such device") from None
    if not (stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode)):
        raise _no("devices", f"{host} is no device of this host; directories and files are not given to containers so")
    return _made_of(found, container)


def _made_of(found: os.stat_result, path: str) -> DeviceNode:
    return DeviceNode(
        path=path,
        kind="c" if stat.S_ISCHR(found.st_mode) else "b",
        major=os.major(found.st_rdev),
        minor=os.minor(found.st_rdev),
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
    )


def _no(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(f"{field}: {message}", {"field": field})
