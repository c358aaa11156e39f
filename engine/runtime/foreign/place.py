"""Where another runtime finds what it is to put together: a small file system that the helper alone sees.

    /run/portside-foreign        a directory of the host's, empty there
      root                       the container's root file system
      0, 1, 2 …                  what is bound, by its number in the specification's `mounts`, and devices
      console                    the socket to which the runtime sends the master of a terminal

A container's root is somebody else outside, who could not go through the home's directories, which are root's alone.
Here everybody may, and where there is a user namespace, files show its users as their owners (docs/adr/0010).
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import stat

from engine.runtime import kernel, mounts
from engine.runtime.ids import COUNT
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PATH = "/run/portside-foreign"
ROOT = f"{PATH}/root"
_CONSOLE = f"{PATH}/console"
_KINDS = {"c": stat.S_IFCHR, "u": stat.S_IFCHR, "b": stat.S_IFBLK}
_CLOSED = kernel.MOUNT_ATTR_NOSUID | kernel.MOUNT_ATTR_NOEXEC  # devices are opened here


class Place:
    """Made by the constructor, in a mount namespace of the caller's own.

    `root`: the detached root file system, which is closed; `owners`: a user namespace, with the host's id `first` as
    its root, for whose users all this is; None for the host's. `images`, `home`: as in `mounts.open_source`.
    """

    def __init__(
        self, root: int, owners: int | None, first: int, images: dict[str, list[str]], home: list[int] | None
    ) -> None:
        self._owners, self._first, self._images, self._home, self._count = owners, first, images, home, 0
        os.makedirs(PATH, 0o755, exist_ok=True)
        small = kernel.new_mount("tmpfs", [("mode", "755"), ("size", "64k")], _CLOSED)
        _attach(small, PATH)
        os.mkdir(ROOT)
        _attach(root, ROOT)

    def bound(self, mount: dict[str, Any]) -> dict[str, Any]:
        """An entry of `mounts` as the runtime gets it: with a source in here if it is a bind."""
        if mount.get("type", "bind") != "bind":
            return mount
        tree = mounts.open_source(mount, self._owners, self._first, self._images, self._home)
        target = self._next()
        if stat.S_ISDIR(os.fstat(tree).st_mode):
            os.mkdir(target)
        else:
            os.close(os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
        _attach(tree, target)
        plain = {key: value for key, value in mount.items() if key != mounts.SOURCE}
        if "hides" in (mount.get(mounts.SOURCE) or {}):  # what covers it is mounted below it
            plain["options"] = ["rbind" if option == "bind" else option for option in plain["options"]]
        return {**plain, "source": target}

    def node(self, device: dict[str, Any]) -> dict[str, Any]:
        """An entry of `linux.devices` as one of `mounts`: in a user namespace nobody can make what works."""
        target = self._next()
        os.mknod(target, _KINDS[device["type"]] | 0o600, os.makedev(device["major"], device["minor"]))
        os.chmod(target, stat.S_IMODE(device.get("fileMode", 0o666)))
        owner, group = device.get("uid") or 0, device.get("gid") or 0
        if max(owner, group) < COUNT:  # else nobody in there
            os.chown(target, self._first + owner, self._first + group)
        options = ["bind", "rprivate", "nosuid", "noexec"]
        return {"destination": device["path"], "type": "bind", "source": target, "options": options}

    def _next(self) -> str:
        self._count += 1
        return f"{PATH}/{self._count - 1}"


def _attach(tree: int, path: str) -> None:
    target = os.open(path, os.O_PATH | os.O_CLOEXEC)
    kernel.move_mount(tree, target)
    os.close(target)
    os.close(tree)


class Console:
    """A console socket in the place: runc's docs/terminals.md, "--console-socket"."""

    def __init__(self) -> None:
        self.path = _CONSOLE
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self._listener.bind(self.path)
        self._listener.listen(1)

    def master(self, name: str, patience_seconds: float) -> int:
        """The terminal's master, which `name` has sent by now. Failure if it hasn't."""
        with self._listener:
            poll = select.poll()
            poll.register(self._listener, select.POLLIN)
            if poll.poll(patience_seconds * 1000):
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(OSError):
                    connection.settimeout(patience_seconds)
                    _, fds, _, _ = socket.recv_fds(connection, 4096, 1)
                    if fds:
                        os.set_inheritable(fds[0], False)
                        return fds[0]
        raise Failure("unavailable", f"{name} has sent no terminal to its --console-socket")
