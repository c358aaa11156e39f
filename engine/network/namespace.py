"""Sockets inside another network namespace, without moving this process there."""

from __future__ import annotations

import ctypes
import os
import threading

from engine.network.netlink import NETLINK_ROUTE, Netlink

_CLONE_NEWNET = 0x40000000


def netlink_inside(namespace: int) -> Netlink:
    """An rtnetlink socket that acts in the network namespace of descriptor `namespace` (setns(2)).

    A thread of its own enters the namespace, makes the socket and ends: a socket belongs for good to the
    namespace in which it was made, and no thread that does anything else is ever in the wrong one. Raises
    OSError.
    """
    made: list[Netlink | BaseException] = []

    def enter() -> None:
        try:
            _setns(namespace)
            made.append(Netlink(NETLINK_ROUTE))
        except BaseException as error:  # noqa: BLE001 - handed to the caller, who raises it
            made.append(error)

    thread = threading.Thread(target=enter, name="portside-netns")
    thread.start()
    thread.join()
    if isinstance(made[0], BaseException):
        raise made[0]
    return made[0]


def _setns(namespace: int) -> None:
    # os.setns came with Python 3.12.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
