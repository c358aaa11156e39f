"""Questions about other names, sent on to name servers: one after another until one knows, or all have failed.

Each goes out with a number and from a port that nobody can guess, to a socket that takes packets from that server
alone; what comes back must have the number and repeat the question letter by letter. So many are on their way for one
container at most, so many wait behind them, and what is more is refused: nobody takes the others' turn.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from engine.network.dns import message
from engine.network.dns.lines import ByTcp, ByUdp, Source, Way
from engine.network.dns.looping import Loop
from engine.network.dns.message import Question

PORT = 53
OURSELVES = "127.0.0.11"
"""In a container that is where we listen: whoever chose it as a server would have us ask ourselves."""
SERVER_SECONDS = 2.0
"""After so long without an answer the next server is asked too; glibc itself asks again after five."""
TOTAL_SECONDS = 9.0
LOOK_SECONDS = 0.1
SICK_SECONDS = 30.0
"""So long a server that did not answer is asked after the others."""
CONCURRENT = 64
WAITING = 512
CONCURRENT_ALL = 512
_MOST_SERVERS = 6
_NEXT = (message.SERVFAIL, message.REFUSED, message.NOTIMP, message.FORMERR)


@dataclass(eq=False)
class Asker:
    """One container's share: questions on their way and in the queue, and the sockets that they go by."""

    source: Source
    going: set[_Asked] = field(default_factory=set)
    queue: deque[_Asked] = field(default_factory=deque)


class Forwarder:
    """`ask` for an answer, `leave` when an asker is gone."""

    def __init__(self, loop: Loop, port: int = PORT) -> None:
        self.loop = loop
        self.port = port
        self._sick: dict[str, float] = {}  # servers that were silent lately, until when
        self._going: dict[_Asked, float] = {}  # until when; both in the order of that
        self._silent: dict[Way, tuple[float, _Asked]] = {}
        self._queued: dict[Asker, None] = {}  # whose queue is not empty; who is first has waited longest for a turn
        self._is_ending = False
        self._is_looking = False

    def ask(
        self, asker: Asker, question: Question, servers: Sequence[str], done: Callable[[bytes], None], *, by_tcp: bool
    ) -> None:
        """Call `done` once, with the answer or an error, under the question's own number."""
        servers = [server for server in servers if server != OURSELVES]
        if not servers or len(asker.queue) >= WAITING:
            done(message.error(question, message.SERVFAIL))
            return
        asked = _Asked(self, asker, question, self._in_order(servers), done, by_tcp=by_tcp)
        if len(asker.going) >= CONCURRENT or len(self._going) >= CONCURRENT_ALL:
            asker.queue.append(asked)
            self._queued[asker] = None
        else:
            self._begin(asked)

    def leave(self, asker: Asker) -> None:
        """Forget its questions, and close its sockets."""
        asker.queue.clear()
        for asked in list(asker.going):
            asked.give_up()
        asker.source.close()

    def heard(self, way: Way) -> None:
        """A server has spoken."""
        self._sick.pop(way.server, None)
        self._silent.pop(way, None)

    def awaits(self, way: Way, asked: _Asked) -> None:
        self._silent[way] = (time.monotonic() + SERVER_SECONDS, asked)

    def forget(self, way: Way) -> None:
        self._silent.pop(way, None)

    def ended(self, asked: _Asked) -> None:
        """It has its answer: it is the turn of one that waits, container by container."""
        asked.asker.going.discard(asked)
        self._going.pop(asked, None)
        if self._is_ending:
            return  # one that was begun there has failed at once: the loop below goes on
        self._is_ending = True
        try:
            while self._queued and len(self._going) < CONCURRENT_ALL and self._begin_next():
                pass
        finally:
            self._is_ending = False

    def _begin_next(self) -> bool:
        for asker in list(self._queued):
            if asker.queue and len(asker.going) >= CONCURRENT:
                continue
            del self._queued[asker]
            if not asker.queue:
                continue
            asked = asker.queue.popleft()
            if asker.queue:
                self._queued[asker] = None
            self._begin(asked)
            return True
        return False

    def _begin(self, asked: _Asked) -> None:
        asked.asker.going.add(asked)
        self._going[asked] = time.monotonic() + TOTAL_SECONDS
        if not self._is_looking:
            self._is_looking = True
            self.loop.after(LOOK_SECONDS, self._look)
        asked.next()

    def _look(self) -> None:
        """Who has waited too long? One look for all, since most questions are answered long before."""
        now = time.monotonic()
        for way, (until, asked) in list(self._silent.items()):
            if until > now:
                break
            del self._silent[way]
            self._sick[way.server] = now + SICK_SECONDS
            asked.next()
        for asked, until in list(self._going.items()):
            if until > now:
                break
            asked.give_up()
        self._is_looking = bool(self._going)
        if self._is_looking:
            self.loop.after(LOOK_SECONDS, self._look)

    def _in_order(self, servers: Sequence[str]) -> Sequence[str]:
        if not self._sick:
            return servers[:_MOST_SERVERS]
        now = time.monotonic()
        self._sick = {server: until for server, until in self._sick.items() if until > now}
        return sorted(servers[:_MOST_SERVERS], key=self._sick.__contains__)


class _Asked:
    """One question on its way. Servers that are slow may still answer while the next one is asked."""

    __slots__ = ("_done", "_failure", "_forwarder", "_open", "_question", "_ways", "asker")

    def __init__(
        self,
        forwarder: Forwarder,
        asker: Asker,
        question: Question,
        servers: Sequence[str],
        done: Callable[[bytes], None],
        *,
        by_tcp: bool,
    ) -> None:
        self.asker = asker
        self._question = question
        self._forwarder = forwarder
        # By TCP as it was asked; but better by UDP than not at all.
        ways = [(server, True) for server in servers] if by_tcp else []
        self._ways = deque([*ways, *((server, False) for server in servers)])
        self._open: set[Way] = set()
        self._failure = b""
        self._done: Callable[[bytes], None] | None = done

    def next(self) -> None:
        """Ask the next server, if there is one."""
        if self._ways and self._done is not None:
            server, by_tcp = self._ways.popleft()
            kind = ByTcp if by_tcp else ByUdp
            way = kind(self.asker.source, self._question, server, self._forwarder.port, self._reported)
            self._open.add(way)
            self._forwarder.awaits(way, self)
            way.begin()

    def give_up(self) -> None:
        self._finish(self._failure or message.error(self._question, message.SERVFAIL))

    def _reported(self, way: Way, answer: bytes | None) -> None:
        """A server has answered, or failed; an answer that says it can't is kept for the case that no other can."""
        if answer is not None:
            self._forwarder.heard(way)
            if message.code_of(answer) not in _NEXT:
                self._finish(answer)
                return
            self._failure = answer
        self._forwarder.forget(way)
        self._open.discard(way)
        way.close()
        if self._ways:
            self.next()
        elif not self._open:  # nobody is left who may still answer
            self.give_up()

    def _finish(self, answer: bytes) -> None:
        done, self._done = self._done, None
        if done is None:
            return
        for way in self._open:
            self._forwarder.forget(way)
            way.close()
        self._open.clear()
        done(self._question.packet[:2] + answer[2:])
        self._forwarder.ended(self)
