"""Sockets by which name servers are asked: one question each, by UDP on a port by chance, or by TCP.

Those for UDP are used again, each time with another port, since one in a container's namespace costs a message to the
warden. "Disconnected" (connect(2) with AF_UNSPEC), a socket has no port, and nothing arrives; the next question gives
it a new one that the kernel chooses.
"""

from __future__ import annotations

import ctypes
import errno
import os
import select
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from engine.network.dns import message
from engine.network.dns.looping import Loop
from engine.network.dns.message import Question

if TYPE_CHECKING:
    from collections.abc import Iterable

SPARE = 64
"""So many sockets for UDP one container keeps."""
_PASSED_OVER = 64  # packets on one socket that answer something else
_UNSPECIFIED = bytes(16)
_libc = ctypes.CDLL(None, use_errno=True)

Opened = Callable[[socket.socket | None], None]
Opener = Callable[[int, int, Opened], None]
"""Makes a socket of a family and kind that doesn't block, and hands it over, now or later; None when it can't."""


def open_here(family: int, kind: int, opened: Opened) -> None:
    """An `Opener` for the namespace that we are in: the host's."""
    try:
        made = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    except OSError:
        opened(None)
    else:
        opened(made)


@dataclass
class Source:
    """Where sockets come from, and those that may be used again."""

    loop: Loop
    opener: Opener
    spare: dict[int, list[Line]] = field(default_factory=dict)
    is_closed: bool = False

    def take(self, family: int, opened: Callable[[Line | None], None]) -> None:
        """A line for UDP."""
        kept = self.spare.get(family)
        if kept:
            opened(kept.pop())
        else:
            self.opener(family, socket.SOCK_DGRAM, lambda made: opened(None if made is None else Line(self, made)))

    def give_back(self, line: Line) -> None:
        kept = self.spare.setdefault(line.family, [])
        if self.is_closed or len(kept) >= SPARE or not line.rest():
            line.close()
        else:
            kept.append(line)

    def close(self) -> None:
        self.is_closed = True
        for line in self._all_spare():
            line.close()
        self.spare.clear()

    def _all_spare(self) -> Iterable[Line]:
        return [line for kept in self.spare.values() for line in kept]


class Line:
    """A socket for UDP; `on_packet` is called for each packet while it is used."""

    def __init__(self, source: Source, made: socket.socket) -> None:
        self.family = made.family
        self.socket = made
        self.on_packet: Callable[[], None] | None = None
        self._loop = source.loop
        self._loop.register(made.fileno(), self._on_ready)

    def rest(self) -> bool:
        """Give up the port and what has arrived; False when that can't be."""
        self.on_packet = None
        if _libc.connect(self.socket.fileno(), _UNSPECIFIED, len(_UNSPECIFIED)) != 0:
            return False
        return self._drained()

    def close(self) -> None:
        self.on_packet = None
        self._loop.unregister(self.socket.fileno())
        self.socket.close()

    def _on_ready(self, _: int) -> None:
        if self.on_packet is not None:
            self.on_packet()
        else:
            self._drained()

    def _drained(self) -> bool:
        for _ in range(_PASSED_OVER):
            try:
                self.socket.recv(1)
            except BlockingIOError:
                return True
            except OSError:
                continue  # what went wrong for the question before
        return False


class Way:
    """One question to one server. `answered` is called with the answer, `failed` when there will be none; once."""

    def __init__(
        self, source: Source, question: Question, server: str, port: int, report: Callable[[Way, bytes | None], None]
    ) -> None:
        self.server = server
        self._source = source
        self._question = question
        self._address = (server, port)
        self._report: Callable[[Way, bytes | None], None] | None = report
        self._number: int = struct.unpack(">H", os.urandom(2))[0]
        self._packet = struct.pack(">H", self._number) + question.packet[2:]

    def begin(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is reported any more."""
        self._report = None

    @property
    def _family(self) -> int:
        return socket.AF_INET6 if ":" in self.server else socket.AF_INET

    def _tell(self, answer: bytes | None) -> None:
        report, self._report = self._report, None
        if report is not None:
            report(self, answer)

    def _is_answer(self, packet: bytes) -> bool:
        return message.is_answer_to(self._question, self._number, packet)


class ByUdp(Way):
    _line: Line | None = None
    _passed_over = 0

    def begin(self) -> None:
        self._source.take(self._family, self._opened)

    def close(self) -> None:
        super().close()
        line, self._line = self._line, None
        if line is not None:
            self._source.give_back(line)

    def _opened(self, line: Line | None) -> None:
        if self._report is None:  # it took too long
            if line is not None:
                self._source.give_back(line)
            return
        self._line = line
        if line is None:
            self._tell(None)
            return
        line.on_packet = self._on_packet
        try:
            line.socket.connect(self._address)  # packets of others don't come in by it
            line.socket.send(self._packet)
        except OSError:
            self._tell(None)

    def _on_packet(self) -> None:
        assert self._line is not None
        try:
            packet = self._line.socket.recv(65535)
        except BlockingIOError:
            return
        except OSError:  # nobody listens there
            self._tell(None)
            return
        if self._is_answer(packet):
            self._tell(packet)
            return
        self._passed_over += 1
        if self._passed_over > _PASSED_OVER:
            self._tell(None)


class ByTcp(Way):
    _socket: socket.socket | None = None

    def begin(self) -> None:
        self._source.opener(self._family, socket.SOCK_STREAM, self._opened)

    def close(self) -> None:
        super().close()
        if self._socket is not None:
            self._source.loop.unregister(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _opened(self, own: socket.socket | None) -> None:
        if self._report is None or self._source.is_closed:
            if own is not None:
                own.close()
            return
        self._socket = own
        if own is None:
            self._tell(None)
            return
        self._out = memoryview(struct.pack(">H", len(self._packet)) + self._packet)
        self._in = bytearray()
        try:
            code = own.connect_ex(self._address)
        except OSError:  # no such address
            code = errno.EADDRNOTAVAIL
        if code not in (0, errno.EINPROGRESS):
            self._tell(None)
            return
        self._source.loop.register(own.fileno(), self._on_ready, select.EPOLLOUT)

    def _on_ready(self, _: int) -> None:
        assert self._socket is not None
        try:
            if self._out:
                self._out = self._out[self._socket.send(self._out) :]
                if not self._out:
                    self._source.loop.change(self._socket.fileno(), select.EPOLLIN)
                return
            more = self._socket.recv(65537)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        self._in += more
        length = 2 + struct.unpack_from(">H", self._in)[0] if len(self._in) >= 2 else 2
        if len(self._in) >= length > 2:
            packet = bytes(self._in[2:length])
            self._tell(packet if self._is_answer(packet) else None)
        elif not more:
            self._tell(None)
