"""Sockets inside another network namespace, without moving this process there."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Mapping

from engine.network.netlink import NETLINK_ROUTE, Netlink

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Entering:
    """An rtnetlink socket that acts in the network namespace of descriptor `namespace`: setns(2).

    In two steps, so that its maker can do something else meanwhile. A thread of its own enters the namespace, makes the
    socket and ends: a socket belongs for good to the namespace in which it was made, and no thread that does anything
    else is ever in the wrong one.
    """

    def __init__(self, namespace: int, settings: Mapping[str, str] | None = None) -> None:
        """`settings` are made there first, path below /proc/sys → value; those that it has not are left out."""
        self._made: list[Netlink | BaseException] = []
        self._settings = settings or {}
        self._thread = threading.Thread(target=self._enter, args=(namespace,), name="portside-netns")
        self._thread.start()

    def wait(self) -> None:
        """Until settings are made. Raises OSError."""
        self._thread.join()
        if isinstance(self._made[0], BaseException):
            raise self._made[0]

    def socket(self) -> Netlink:
        """The caller's to close. Raises OSError."""
        self._thread.join()
        if isinstance(self._made[0], BaseException):
            raise self._made[0]
        return self._made[0]

    def cancel(self) -> None:
        """The socket is not wanted after all."""
        with contextlib.suppress(OSError):
            self.socket().close()

    def _enter(self, namespace: int) -> None:
        try:
            _setns(namespace)
            for path, value in self._settings.items():
                set_kernel(path, value)
            self._made.append(Netlink(NETLINK_ROUTE))
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            self._made.append(error)


def set_kernel(path: str, value: str) -> None:
    """Write a kernel setting of this thread's namespace below /proc/sys, unless it has that value or isn't there.

    A read-only /proc/sys with the right value is fine. Raises OSError.
    """
    with contextlib.suppress(FileNotFoundError):
        with open(f"/proc/sys/{path}", encoding="ascii") as file:
            if file.read().strip() == value:
                return
        with open(f"/proc/sys/{path}", "w", encoding="ascii") as file:
            file.write(value)


def _setns(namespace: int) -> None:
    # os.setns came with Python 3.12.
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
