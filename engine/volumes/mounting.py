"""Volumes that are file systems of their own: mounted on their directory in the home while somebody needs them.

One in memory lives until the volume is removed or the host is started anew; what is mounted already is left alone.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from engine.errors import Unavailable, Unsupported
from engine.options.volume_options import NFS, TMPFS, Kind
from engine.runtime import kernel

_FLAGS = {
    "ro": kernel.MOUNT_ATTR_RDONLY,
    "nosuid": kernel.MOUNT_ATTR_NOSUID,
    "noexec": kernel.MOUNT_ATTR_NOEXEC,
    "noatime": kernel.MOUNT_ATTR_NOATIME,
    "nodiratime": kernel.MOUNT_ATTR_NODIRATIME,
}
_USUAL = frozenset(("rw", "suid", "dev", "nodev", "exec", "relatime", "strictatime", "defaults"))


def require(kind: Kind) -> None:
    """Raises Unsupported for what this host's kernel can't mount."""
    if kind.name == NFS:
        name = kind.options[0].partition("=")[2]
        with open("/proc/filesystems") as file:
            known = {line.split()[-1] for line in file if line.strip()}
        if name not in known:
            raise Unsupported(
                f"driver_opts: this host's kernel has no {name} (/proc/filesystems): load the module of that name, or "
                "mount the export on the host and use type=none,o=bind",
                {"field": "driver_opts"},
            )


def mount(kind: Kind, place: Path) -> None:
    """Mount it unless it is. The caller holds the volume's lock. Raises Unsupported, Unavailable."""
    if kind.name not in (TMPFS, NFS) or os.path.ismount(place):
        return
    require(kind)
    attributes, options = kernel.MOUNT_ATTR_NODEV, []
    for word in kind.options:
        key, sign, value = word.partition("=")
        if word in _FLAGS:
            attributes |= _FLAGS[word]
        elif word not in _USUAL and key != "type":
            options.append((key, _address(value) if key == "addr" else value if sign else None))
    name = "tmpfs" if kind.name == TMPFS else kind.options[0].partition("=")[2]
    if name == "tmpfs" and not any(key == "mode" for key, _ in options):
        options.append(("mode", "1777"))
    try:
        tree = kernel.new_mount(name, options, attributes, kind.device or "tmpfs")
    except OSError as error:
        raise Unavailable(
            f"the volume's {name} can't be mounted ({error}): see its driver_opts, and the host"
        ) from error
    target = os.open(place, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        kernel.move_mount(tree, target)
    finally:
        os.close(target)
        os.close(tree)


def unmount(place: Path) -> None:
    """However often something is mounted there."""
    while os.path.ismount(place):
        kernel.umount_detach(str(place))


def _address(name: str) -> str:
    """The kernel looks up no names."""
    try:
        return str(socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise Unavailable(f"the file server {name} is not found: {error}") from error
