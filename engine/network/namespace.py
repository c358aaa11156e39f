"""Sockets inside another network namespace, without moving this process there."""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading

from engine.network.netlink import NETLINK_ROUTE, Netlink

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)


class Entering:
    """An rtnetlink socket that acts in the network namespace of descriptor `namespace`: setns(2).

    In two steps, so that its maker can do something else meanwhile. A thread of its own enters the namespace, makes the
    socket and ends: a socket belongs for good to the namespace in which it was made, and no thread that does anything
    else is ever in the wrong one.
    """

    def __init__(self, namespace: int) -> None:
        self._made: list[Netlink | BaseException] = []
        self._thread = threading.Thread(target=self._enter, args=(namespace,), name="portside-netns")
        self._thread.start()

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
            self._made.append(Netlink(NETLINK_ROUTE))
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            self._made.append(error)


def _setns(namespace: int) -> None:
    # os.setns came with Python 3.12.
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
