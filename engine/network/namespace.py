"""Sockets inside another network namespace, without staying there."""

from __future__ import annotations

import ctypes
import logging
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

from engine.errors import Conflict
from engine.network.netlink import NETLINK_ROUTE, Netlink

log = logging.getLogger(__name__)

_CLONE_NEWNET = 0x40000000
_ATTEMPTS, _PAUSE_SECONDS = 500, 0.01
_libc = ctypes.CDLL(None, use_errno=True)


def socket_inside(namespace: int, settings: Mapping[str, str] | None = None) -> Netlink:
    """An rtnetlink socket, the caller's to close, that acts in the network namespace of a descriptor (setns(2)).

    A socket belongs for good to the namespace in which it was made. This thread is in there while it is made and
    nothing else is done; a thread of its own would take twenty times as long to begin. `settings` are made there first,
    path below /proc/sys → value; those that it has not are left out. Raises OSError, back in its own namespace.
    """
    own = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _setns(namespace)
        try:
            for path, value in (settings or {}).items():
                set_kernel(path, value)
            return Netlink(NETLINK_ROUTE)
        finally:
            _come_back(own)
    finally:
        os.close(own)


def set_kernel(path: str, value: str) -> None:
    """Write a kernel setting of this thread's namespace below /proc/sys, unless it has that value or isn't there.

    A read-only /proc/sys with the right value is fine. Raises OSError.
    """
    with suppress(FileNotFoundError):
        with open(f"/proc/sys/{path}", encoding="ascii") as file:
            if file.read().strip() == value:
                return
        with open(f"/proc/sys/{path}", "w", encoding="ascii") as file:
            file.write(value)


def _come_back(own: int) -> None:
    """Whatever happens, an interruption by a signal's handler as well: what this thread did next would be done in a
    container's namespace. For want of memory the kernel may refuse for a while; a process that can't wait for the end
    of that ends itself, as if it was killed, which whoever starts it again puts right.
    """
    interrupted: BaseException | None = None
    failures = 0
    while True:
        try:
            _setns(own)
            break
        except OSError as error:
            failures += 1
            if failures > _ATTEMPTS:
                log.critical("A thread can't leave a container's network, so this process ends: %s", error)
                os._exit(70)
            time.sleep(_PAUSE_SECONDS)
        except BaseException as error:  # noqa: BLE001 - raised below
            interrupted = error
    if interrupted is not None:
        raise interrupted


def _setns(namespace: int) -> None:
    # os.setns came with Python 3.12.
    if _libc.setns(namespace, _CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


@contextmanager
def namespace_of(pid: int) -> Iterator[int]:
    """The network namespace of a container's process, open. Raises Conflict when it is gone."""
    try:
        namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Conflict(f"The container's process {pid} is gone; start the container again") from None
    try:
        yield namespace
    finally:
        os.close(namespace)
