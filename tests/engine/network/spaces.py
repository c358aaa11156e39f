"""Real network namespaces for tests: one stands for a host, others for containers or for machines outside."""

from __future__ import annotations

import contextlib
import ctypes
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

T = TypeVar("T")

_CLONE_NEWNET = 0x40000000
_HOLDER = """
import ctypes, sys
if ctypes.CDLL(None).unshare(0x40000000): sys.exit("unshare failed")
print("ready", flush=True)
sys.stdin.read()
"""


class Space:
    """A network namespace, held by a process of its own until `close`."""

    def __init__(self) -> None:
        self._holder = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, close_fds=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == b"ready\n"

    @property
    def pid(self) -> int:
        return self._holder.pid

    def run(self, work: Callable[[], T]) -> T:
        """Do `work` in a thread inside the namespace and return what it returns."""
        done: list[Any] = []

        def enter() -> None:
            try:
                with open(f"/proc/{self.pid}/ns/net", "rb") as namespace:
                    if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET):
                        raise OSError(ctypes.get_errno(), "setns")
                done.append((work(), None))
            except BaseException as error:
                done.append((None, error))

        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        result, error = done[0]
        if error is not None:
            raise error
        return result

    def close(self) -> None:
        self._holder.kill()
        self._holder.communicate()

    @contextlib.contextmanager
    def serving(self, port: int, address: str = "0.0.0.0", kind: int = socket.SOCK_STREAM) -> Iterator[None]:
        """A server inside that answers with the address from which it was asked."""

        def listen() -> socket.socket:
            listener = socket.socket(_family(address), kind)
            if listener.family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((address, port))
            if kind == socket.SOCK_STREAM:
                listener.listen()
            return listener

        listener = self.run(listen)
        thread = threading.Thread(target=_answer, args=(listener, kind))
        thread.start()
        try:
            yield
        finally:
            if kind == socket.SOCK_DGRAM:
                self.run(lambda: _end(listener, address))
            else:
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            listener.close()

    def ask(self, address: str, port: int, kind: int = socket.SOCK_STREAM, timeout: float = 60.0) -> str:
        """Connect from inside and return the server's answer: the address it saw."""
        return self.run(lambda: ask(address, port, kind, timeout))


def ask(address: str, port: int, kind: int = socket.SOCK_STREAM, timeout: float = 60.0) -> str:
    with socket.socket(_family(address), kind) as client:
        client.settimeout(timeout)
        client.connect((address, port))
        client.send(b"who")
        return client.recv(100).decode()


def _answer(listener: socket.socket, kind: int) -> None:
    with contextlib.suppress(OSError):
        while True:
            if kind == socket.SOCK_DGRAM:
                data, peer = listener.recvfrom(100)
                if data == b"end":
                    return
                listener.sendto(peer[0].encode(), peer)
                continue
            connection, peer = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.recv(100)
                connection.send(peer[0].encode())


def _end(listener: socket.socket, address: str) -> None:
    with socket.socket(_family(address), socket.SOCK_DGRAM) as client:
        here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)
        client.sendto(b"end", (here, listener.getsockname()[1]))


def _family(address: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in address else socket.AF_INET
