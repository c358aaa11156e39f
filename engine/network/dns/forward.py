"""Questions about other names, sent on to name servers: one after another until one knows, or all have failed.

Each goes out with a number and from a port that nobody can guess, to a socket that takes packets from that server
alone; what comes back must have the number and repeat the question letter by letter. So many are on their way for one
container at most, so many wait behind them, and what is more is refused: nobody takes the others' turn.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from engine.network.dns import message
from engine.network.dns.looping import Loop, Timer
from engine.network.dns.message import Question

PORT = 53
OURSELVES = "127.0.0.11"
"""In a container that is where we listen: whoever chose it as a server would have us ask ourselves."""
SERVER_SECONDS = 2.0
"""After so long without an answer the next server is asked too; glibc itself asks again after five."""
TOTAL_SECONDS = 9.0
SICK_SECONDS = 30.0
"""So long a server that did not answer is asked after the others."""
CONCURRENT = 64
WAITING = 512
CONCURRENT_ALL = 512
_MOST_SERVERS = 6
_PASSED_OVER = 64  # packets on one socket that answer something else
_NEXT = (message.SERVFAIL, message.REFUSED, message.NOTIMP, message.FORMERR)


Opener = Callable[[int, int, Callable[[socket.socket | None], None]], None]
"""Makes a socket of a family and kind that doesn't block, and hands it over, now or later; None when it can't."""


def open_here(family: int, kind: int, opened: Callable[[socket.socket | None], None]) -> None:
    """An `Opener` for the namespace that we are in: the host's."""
    try:
        made = socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    except OSError:
        opened(None)
    else:
        opened(made)


@dataclass
class Asker:
    """One container's share: questions on their way and in the queue. `opener` makes sockets to ask its servers by."""

    opener: Opener
    going: int = 0
    queue: deque[_Asked] = field(default_factory=deque)


class Forwarder:
    """`sick` remembers which servers were silent lately."""

    def __init__(self, loop: Loop, port: int = PORT) -> None:
        self.loop = loop
        self.port = port
        self._sick: dict[str, float] = {}
        self._going = 0
        self._queued: deque[Asker] = deque()

    def ask(
        self, asker: Asker, question: Question, servers: Sequence[str], done: Callable[[bytes], None], *, by_tcp: bool
    ) -> None:
        """Call `done` once, with the answer or an error, under the question's own number."""
        servers = [server for server in servers if server != OURSELVES]
        asked = _Asked(self, asker, question, self._in_order(servers), done, by_tcp=by_tcp)
        if not servers or len(asker.queue) >= WAITING:
            done(message.error(question, message.SERVFAIL))
        elif asker.going >= CONCURRENT or self._going >= CONCURRENT_ALL:
            asker.queue.append(asked)
            self._queued.append(asker)
        else:
            self._begin(asked)

    def mark(self, server: str, *, is_sick: bool) -> None:
        if is_sick:
            self._sick[server] = time.monotonic() + SICK_SECONDS
        else:
            self._sick.pop(server, None)

    def ended(self, asker: Asker) -> None:
        """One of its questions has its answer: it is the turn of one that waits, container by container."""
        asker.going -= 1
        self._going -= 1
        for _ in range(len(self._queued)):
            if self._going >= CONCURRENT_ALL:
                return
            waiting = self._queued.popleft()
            if not waiting.queue:
                continue
            if waiting.going >= CONCURRENT:
                self._queued.append(waiting)
                continue
            self._begin(waiting.queue.popleft())

    def _begin(self, asked: _Asked) -> None:
        asked.asker.going += 1
        self._going += 1
        asked.begin()

    def _in_order(self, servers: Sequence[str]) -> list[str]:
        now = time.monotonic()
        self._sick = {server: until for server, until in self._sick.items() if until > now}
        return sorted(servers[:_MOST_SERVERS], key=self._sick.__contains__)


class _Asked:
    """One question on its way. Servers that are slow may still answer while the next one is asked."""

    def __init__(
        self,
        forwarder: Forwarder,
        asker: Asker,
        question: Question,
        servers: list[str],
        done: Callable[[bytes], None],
        *,
        by_tcp: bool,
    ) -> None:
        self.asker = asker
        self.question = question
        self._forwarder = forwarder
        # By TCP as it was asked; but better by UDP than not at all.
        ways = [(server, True) for server in servers] if by_tcp else []
        self._ways = deque([*ways, *((server, False) for server in servers)])
        self._open: set[_Way] = set()
        self._failure = b""
        self._done: Callable[[bytes], None] | None = done
        self._timers: list[Timer] = []

    def begin(self) -> None:
        self._timers = [self._forwarder.loop.after(TOTAL_SECONDS, self._give_up)]
        self._next()

    def answered(self, way: _Way, answer: bytes) -> None:
        """A server has; an answer that says it can't is kept for the case that no other can."""
        self._forwarder.mark(way.server, is_sick=False)
        if message.code_of(answer) in _NEXT:
            self._failure = answer
            self.failed(way)
        else:
            self._finish(answer)

    def failed(self, way: _Way) -> None:
        way.close()
        self._open.discard(way)
        if self._ways:
            self._next()
        elif not self._open:
            self._give_up()  # nobody is left who may still answer

    def _next(self) -> None:
        if self._ways and self._done is not None:
            server, by_tcp = self._ways.popleft()
            way = (_ByTcp if by_tcp else _ByUdp)(self._forwarder, self, server)
            self._open.add(way)
            self._timers.append(self._forwarder.loop.after(SERVER_SECONDS, partial(self._silent, way)))
            way.begin()

    def _silent(self, way: _Way) -> None:
        if way in self._open and self._done is not None:
            self._forwarder.mark(way.server, is_sick=True)
            self._next()

    def _give_up(self) -> None:
        self._finish(self._failure or message.error(self.question, message.SERVFAIL))

    def _finish(self, answer: bytes) -> None:
        done, self._done = self._done, None
        if done is None:
            return
        for timer in self._timers:
            timer.cancel()
        for way in self._open:
            way.close()
        self._open.clear()
        done(self.question.packet[:2] + answer[2:])
        self._forwarder.ended(self.asker)


class _Way:
    """A socket to one server with one question."""

    kind = socket.SOCK_DGRAM

    def __init__(self, forwarder: Forwarder, asked: _Asked, server: str) -> None:
        self.server = server
        self._loop = forwarder.loop
        self._port = forwarder.port
        self._asked = asked
        self._number = struct.unpack(">H", os.urandom(2))[0]
        self._packet = struct.pack(">H", self._number) + asked.question.packet[2:]
        self._socket: socket.socket | None = None
        self._is_closed = False

    def begin(self) -> None:
        """Send it as soon as there is a socket."""
        family = socket.AF_INET6 if ":" in self.server else socket.AF_INET
        self._asked.asker.opener(family, self.kind, self._opened)

    def close(self) -> None:
        self._is_closed = True
        if self._socket is not None:
            self._loop.unregister(self._socket.fileno())
            self._socket.close()
            self._socket = None

    def _opened(self, own: socket.socket | None) -> None:
        if self._is_closed:  # it took too long
            if own is not None:
                own.close()
            return
        self._socket = own
        if own is None:
            self._asked.failed(self)
            return
        try:
            self._send(own)
        except OSError:
            self._asked.failed(self)

    def _send(self, own: socket.socket) -> None:
        raise NotImplementedError

    def _address(self) -> tuple[str, int]:
        return self.server, self._port


class _ByUdp(_Way):
    _passed_over = 0

    def _send(self, own: socket.socket) -> None:
        own.connect(self._address())  # with a port by the kernel's chance, and no packets of others
        own.send(self._packet)
        self._loop.register(own.fileno(), self._on_packet)

    def _on_packet(self, _: int) -> None:
        assert self._socket is not None
        try:
            packet = self._socket.recv(65535)
        except BlockingIOError:
            return
        except OSError:  # nobody listens there
            self._asked.failed(self)
            return
        if message.is_answer_to(self._asked.question, self._number, packet):
            self._asked.answered(self, packet)
            return
        self._passed_over += 1
        if self._passed_over > _PASSED_OVER:
            self._asked.failed(self)


class _ByTcp(_Way):
    kind = socket.SOCK_STREAM

    def _send(self, own: socket.socket) -> None:
        self._out = memoryview(struct.pack(">H", len(self._packet)) + self._packet)
        self._in = bytearray()
        code = own.connect_ex(self._address())
        if code not in (0, 115):  # EINPROGRESS
            raise OSError(code, os.strerror(code))
        self._loop.register(own.fileno(), self._on_ready, select.EPOLLOUT)

    def _on_ready(self, _: int) -> None:
        assert self._socket is not None
        try:
            if self._out:
                self._out = self._out[self._socket.send(self._out) :]
                if not self._out:
                    self._loop.change(self._socket.fileno(), select.EPOLLIN)
                return
            more = self._socket.recv(65537)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        self._in += more
        if len(self._in) >= 2 and len(self._in) >= 2 + struct.unpack_from(">H", self._in)[0]:
            packet = bytes(self._in[2 : 2 + struct.unpack_from(">H", self._in)[0]])
            if message.is_answer_to(self._asked.question, self._number, packet):
                self._asked.answered(self, packet)
                return
            more = b""
        if not more:
            self._asked.failed(self)
