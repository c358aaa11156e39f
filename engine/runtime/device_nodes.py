"""Devices of the host that a container was given (`linux.devices`), in the tmpfs that is its /dev."""

from __future__ import annotations

import os
import stat

from engine.bare import contextlib
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK}


def add(dev: int, devices: list[dict[str, Any]], owner: int = 0) -> None:
    """Make each node in the open directory `dev`; all of them belong below /dev.

    `owner`: what the container's id 0 is on the host, where it has a user namespace. Needs the host's rights: a node
    that was made in a user namespace does not work.
    """
    umask = os.umask(0)
    for device in devices:
        *above, name = device["path"].removeprefix("/dev/").strip("/").split("/")
        place = _below(dev, above, device["path"])
        try:
            _make(place, name, device, owner)
        except OSError as error:
            raise Failure("unavailable", f"devices: {device['path']} can't be made: {error.strerror}") from None
        finally:
            os.close(place)
    os.umask(umask)


def _make(place: int, name: str, device: dict[str, Any], owner: int) -> None:
    mode = _KINDS[device["type"]] | stat.S_IMODE(device.get("fileMode", 0o666))
    with contextlib.suppress(FileNotFoundError):  # one of those that every container has
        os.unlink(name, dir_fd=place)
    os.mknod(name, mode, os.makedev(device["major"], device["minor"]), dir_fd=place)
    uid, gid = device.get("uid", 0), device.get("gid", 0)
    os.chown(name, owner + uid, owner + gid, dir_fd=place, follow_symlinks=False)


def _below(dev: int, names: list[str], path: str) -> int:
    """An own descriptor of the directory for `path`, made if it is missing."""
    place = os.dup(dev)
    for name in names:
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o755, dir_fd=place)
        try:
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
        except OSError as error:
            raise Failure("invalid_argument", f"devices: {path}: {name} is no directory: {error.strerror}") from None
        finally:
            os.close(place)
        place = below
    return place
