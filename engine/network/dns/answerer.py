"""The half that reads packets: a process without rights, which knows only what the warden told it.

It runs as nobody, in an empty root, can start nothing and gain nothing, and holds sockets that were made for it. When
the warden dies, it goes on answering until the next warden has taken over.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from engine.network.dns import channel, message
from engine.network.dns.forward import Asker, Forwarder
from engine.network.dns.lines import Opener, Source, open_here
from engine.network.dns.looping import Loop
from engine.network.dns.message import Malformed, Question
from engine.network.dns.names import Entry, Names

TTL_SECONDS = 5
"""How long others may keep an answer. Docker says 600, and whoever believes it talks to an address that is gone for ten
minutes after a container was made anew; to ask again costs 20 µs here."""
BATCH = 32
"""So many packets are read for one container before it is the next one's turn."""
CONNECTIONS = 32
"""By TCP, for one container."""
IDLE_SECONDS = 10.0
READY, READY_BYTES = 256, 300
"""So many questions of one container, of at most so many bytes, have their answers ready."""
_VARIANTS = 8
_RECEIVE_BYTES = 4096


class Client:
    """A container that asks. `udp` and `tcp` were made in its namespace, `process` tells its end."""

    def __init__(self, container_id: str, descriptors: Sequence[int], loop: Loop, opener: Opener) -> None:
        udp, tcp, self.process = descriptors
        self.id = container_id
        self.udp = socket.socket(fileno=udp)
        self.tcp = socket.socket(fileno=tcp)
        self.by_host = Asker(Source(loop, open_here))
        self.by_own = Asker(Source(loop, opener))
        self.asked: set[tuple[Any, bytes]] = set()  # forwarded by UDP, and not answered yet: asked again, it waits
        self.connections: set[Connection] = set()
        self.ready: dict[bytes, deque[bytes]] = {}  # question without its number → answers, taken in turn


class Answerer:
    """Serves until the warden says to end; or without a warden, until no container is left."""

    def __init__(self, warden: socket.socket, loop: Loop | None = None, port: int = 53) -> None:
        self.loop = loop or Loop()
        self._warden: socket.socket | None = warden
        self._names = Names()
        self._clients: dict[str, Client] = {}
        self._forwarder = Forwarder(self.loop, port)
        self._host_servers: list[str] = []
        self._opening: dict[int, Callable[[socket.socket | None], None]] = {}
        self._number = 0
        self._turn = 0
        self.loop.register(warden.fileno(), self._on_warden)

    def serve(self) -> None:
        while self._warden is not None or self._clients:
            self.loop.turn()

    # ---- what the warden tells

    def _on_warden(self, _: int) -> None:
        assert self._warden is not None
        try:
            received = channel.receive(self._warden)
        except BlockingIOError:
            return
        except OSError:
            received = None
        if received is None:
            self.loop.unregister(self._warden.fileno())
            self._warden.close()
            self._warden = None
            for opened in list(self._opening.values()):
                opened(None)
            self._opening.clear()
            return
        told, descriptors = received
        self._take(told, descriptors)

    def _take(self, told: dict[str, Any], descriptors: list[int]) -> None:
        for entry in told.get("put", ()):
            self._names.put(Entry.read(entry))
        for container_id in told.get("drop", ()):
            self._names.drop(container_id)
        if "host" in told:
            self._host_servers = told["host"]
        if "serve" in told:
            self._serve(Client(told["serve"], descriptors, self.loop, partial(self._open_inside, told["serve"])))
        if "leave" in told:
            self._leave(told["leave"])
        if "opened" in told:
            opened = self._opening.pop(told["opened"])
            opened(socket.socket(fileno=descriptors[0]) if descriptors else None)
            return
        self._forget_ready()
        if "number" in told and self._warden is not None:
            with contextlib.suppress(OSError):
                channel.send(self._warden, told["number"])

    def _serve(self, client: Client) -> None:
        self._leave(client.id)
        self._clients[client.id] = client
        self.loop.register(client.udp.fileno(), lambda _: self._on_udp(client))
        self.loop.register(client.tcp.fileno(), lambda _: self._on_tcp(client))
        self.loop.register(client.process, lambda _: self._leave(client.id, client))

    def _leave(self, container_id: str, known: Client | None = None) -> None:
        """Its namespace is kept by these sockets: close them."""
        client = self._clients.get(container_id)
        if client is None or (known is not None and known is not client):
            return
        del self._clients[container_id]
        for connection in list(client.connections):
            connection.close()
        for asker in (client.by_host, client.by_own):
            self._forwarder.leave(asker)
        for descriptor in (client.udp.fileno(), client.tcp.fileno(), client.process):
            self.loop.unregister(descriptor)
        client.udp.close()
        client.tcp.close()
        os.close(client.process)

    def _forget_ready(self) -> None:
        for client in self._clients.values():
            client.ready.clear()

    # ---- questions

    def _on_udp(self, client: Client) -> None:
        receive, send, ready = client.udp.recvfrom, client.udp.sendto, client.ready
        for _ in range(BATCH):
            try:
                packet, address = receive(_RECEIVE_BYTES)
                answers = ready.get(packet[2:])
                if answers is not None:
                    send(packet[:2] + answers[0], address)
                    answers.rotate(-1)
                else:
                    self._on_question(client, packet, address)
            except BlockingIOError:
                return
            except OSError:
                continue  # the asker's socket is gone
            if client.udp.fileno() < 0:
                return

    def _on_question(self, client: Client, packet: bytes, address: Any) -> None:
        try:
            question = message.read(packet)
        except Malformed as error:
            if error.can_answer:
                client.udp.sendto(message.refusal(packet, error.code), address)
            return
        answers = self._own(client, question)
        if answers is not None:
            fitting = [fit(question, answer) for answer in answers]
            if len(packet) <= READY_BYTES:
                if len(client.ready) >= READY:
                    client.ready.clear()
                client.ready[packet[2:]] = deque(answer[2:] for answer in fitting)
            client.udp.sendto(fitting[self._turn % len(fitting)], address)
            self._turn += 1
            return
        key = (address, packet)
        if key in client.asked:
            return

        def done(answer: bytes) -> None:
            client.asked.discard(key)
            with contextlib.suppress(OSError):
                client.udp.sendto(fit(question, answer), address)

        client.asked.add(key)
        self._forward(client, question, by_tcp=False, done=done)

    def _on_tcp(self, client: Client) -> None:
        try:
            accepted, _ = client.tcp.accept()
        except OSError:
            return
        if len(client.connections) >= CONNECTIONS:
            accepted.close()
            return
        accepted.setblocking(False)
        client.connections.add(Connection(self, client, accepted))

    def answer_by_tcp(self, client: Client, packet: bytes, done: Any) -> bool:
        """Call `done` with the answer to what came by TCP; False for what has none."""
        try:
            question = message.read(packet)
        except Malformed as error:
            if error.can_answer:
                done(message.refusal(packet, error.code))
            return error.can_answer
        answers = self._own(client, question)
        if answers is None:
            self._forward(client, question, by_tcp=True, done=done)
        else:
            self._turn += 1
            done(answers[self._turn % len(answers)])
        return True

    def _own(self, client: Client, question: Question) -> list[bytes] | None:
        """Answers that may be given in turn; None for a question that is to be forwarded."""
        asker = self._names.entry(client.id)
        if asker is None:
            return [message.error(question, message.SERVFAIL)]
        if question.kind_class != message.IN:
            return [message.error(question, message.REFUSED)]
        found = self._names.find(asker, question.name, question.kind)
        if found is None:
            if all(place.is_internal for place in asker.places):  # as Docker: nothing of it gets out
                return [message.error(question, message.SERVFAIL)]
            if asker.has_ndots and question.name and "." not in question.name and question.kind in (1, 28):
                return [message.error(question, message.NXDOMAIN)]  # as Docker: its search domain comes first
            return None
        if found.code:
            return [message.error(question, found.code, own=True)]
        count = max(1, min(len(found.records), _VARIANTS))
        turned = [found.records[at:] + found.records[:at] for at in range(count)]
        return [message.answer(question, records, TTL_SECONDS) for records in turned]

    def _forward(self, client: Client, question: Question, *, by_tcp: bool, done: Any) -> None:
        asker = self._names.entry(client.id)
        if asker is not None and asker.servers:
            self._forwarder.ask(client.by_own, question, asker.servers, done, by_tcp=by_tcp)
        else:
            self._forwarder.ask(client.by_host, question, self._host_servers, done, by_tcp=by_tcp)

    def _open_inside(
        self, container_id: str, family: int, kind: int, opened: Callable[[socket.socket | None], None]
    ) -> None:
        """Servers that were chosen for a container are asked from its namespace: it reaches no more than by itself."""
        self._number += 1
        if self._warden is None:  # nobody makes sockets there now
            opened(None)
            return
        try:
            channel.send(self._warden, {"open": [self._number, container_id, family, kind]})
        except OSError:
            opened(None)
        else:
            self._opening[self._number] = opened


class Connection:
    """A container's connection by TCP: questions with their lengths in front, one after another (RFC 7766)."""

    def __init__(self, answerer: Answerer, client: Client, accepted: socket.socket) -> None:
        self._answerer = answerer
        self._client = client
        self._socket = accepted
        self._in = bytearray()
        self._busy_until = 0.0
        self._rest()
        self._look()
        answerer.loop.register(accepted.fileno(), self._on_bytes)

    def close(self) -> None:
        if self._socket.fileno() >= 0:
            self._answerer.loop.unregister(self._socket.fileno())
            self._socket.close()
        self._client.connections.discard(self)

    def _on_bytes(self, _: int) -> None:
        try:
            more = self._socket.recv(_RECEIVE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if not more:
            self.close()
            return
        self._in += more
        self._rest()
        while len(self._in) >= 2 and self._socket.fileno() >= 0:
            (length,) = struct.unpack_from(">H", self._in)
            if length > _RECEIVE_BYTES:  # no question is as long as that
                self.close()
                return
            if len(self._in) < 2 + length:
                return
            packet = bytes(self._in[2 : 2 + length])
            del self._in[: 2 + length]
            if not self._answerer.answer_by_tcp(self._client, packet, self._send):
                self.close()

    def _send(self, answer: bytes) -> None:
        """Whoever doesn't read what it asked for is hung up on."""
        if self._socket.fileno() < 0:
            return
        self._rest()
        framed = struct.pack(">H", len(answer)) + answer
        try:
            if self._socket.send(framed) == len(framed):
                return
        except OSError:
            pass
        self.close()

    def _rest(self) -> None:
        self._busy_until = time.monotonic() + IDLE_SECONDS

    def _look(self) -> None:
        left = self._busy_until - time.monotonic()
        if left <= 0:
            self.close()
        elif self._socket.fileno() >= 0:
            self._answerer.loop.after(left, self._look)


def fit(question: Question, answer: bytes) -> bytes:
    """The answer for UDP: if it is too long, only that there is one."""
    return answer if len(answer) <= question.udp_bytes else message.truncated(question, answer)
