"""The answerer by itself: real packets on loopback, name servers that lie, are silent or gone, askers that flood."""

from __future__ import annotations

import os
import queue
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from engine.network.dns import answerer as answering
from engine.network.dns import channel, forward, message
from engine.network.dns.answerer import Answerer
from engine.network.dns.forward import Asker, Forwarder
from engine.network.dns.lines import Source
from engine.network.dns.looping import Loop
from tests.support import dns
from tests.support.dns import NameServer, answer_to, exchange, name_server, parse, question
from tests.support.processes import PATIENCE_SECONDS, eventually

LOCAL = "127.0.0.1"
Reply = Callable[[bytes, bool], bytes | None]


class Side:
    """An answerer in a thread, told by us; containers have sockets on loopback."""

    def __init__(self, port: int) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        theirs.setblocking(False)
        self.answerer = Answerer(theirs, port=port)
        self._thread = threading.Thread(target=self.answerer.serve)
        self._thread.start()
        self._ids: list[str] = []
        self._number = 0
        self._answers: queue.Queue[int] = queue.Queue()
        self.opened: list[str] = []
        self._hearing = threading.Thread(target=self._hear)
        self._hearing.start()

    def tell(self, message: Any, descriptors: tuple[int, ...] = ()) -> None:
        self._number += 1
        channel.send(self._channel, {**message, "number": self._number}, descriptors)
        assert self._answers.get(timeout=PATIENCE_SECONDS) == self._number

    def _hear(self) -> None:
        """Be the warden: give sockets to who asks for them."""
        while (received := channel.receive(self._channel)) is not None:
            if not isinstance(received[0], dict):
                self._answers.put(received[0])
                continue
            number, container_id, family, kind = received[0]["open"]
            self.opened.append(container_id)
            if container_id == "shut":
                channel.send(self._channel, {"opened": number})
                continue
            with socket.socket(family, kind | socket.SOCK_NONBLOCK) as made:
                channel.send(self._channel, {"opened": number}, [made.fileno()])

    def container(self, container_id: str, **changes: Any) -> int:
        """One that asks; returns the port where it is answered."""
        self.put(container_id, **changes)
        udp, tcp = dns.pair(LOCAL)
        port: int = udp.getsockname()[1]
        process = os.pidfd_open(os.getpid())
        udp.setblocking(False)
        tcp.setblocking(False)
        with udp, tcp:
            self.tell({"serve": container_id}, (udp.fileno(), tcp.fileno(), process))
        os.close(process)
        self._ids.append(container_id)
        return port

    def put(self, container_id: str, *, names: tuple[str, ...] = (), internal: bool = False, **changes: Any) -> None:
        place = {
            "network": "n",
            "network_name": "lan",
            "internal": internal,
            "subnets": ["10.0.0.0/8"],
            "addresses": ["10.0.0.2"],
            "names": [container_id, *names],
        }
        entry = {"id": container_id, "name": container_id, "running": True, "servers": [], "ndots": False}
        self.tell({"put": [{**entry, "places": [place], **changes}]})

    def close(self) -> None:
        for container_id in self._ids:
            self.tell({"leave": container_id})
        self._channel.shutdown(socket.SHUT_WR)
        self._thread.join()
        self._hearing.join()
        self._channel.close()


@pytest.fixture
def upstream() -> Iterator[NameServer]:
    with name_server(LOCAL, port=0) as server:
        yield server


@pytest.fixture
def side(upstream: NameServer) -> Iterator[Side]:
    made = Side(upstream.port)
    made.tell({"host": [LOCAL]})
    yield made
    made.close()


def ask(port: int, name: str, kind: int = dns.A, *, tcp: bool = False, edns: int | None = None) -> dns.Answer:
    packet = question(name, kind, number=77, edns=edns)
    answer = parse(exchange(packet, tcp=tcp, server=LOCAL, port=port, seconds=PATIENCE_SECONDS))
    assert answer.number == 77
    return answer


def test_own_names_are_answered_and_others_forwarded(side: Side, upstream: NameServer) -> None:
    port = side.container("web", names=("www",))
    for tcp in (False, True):
        for _ in range(3):  # the second one is ready already
            assert ask(port, "www", tcp=tcp).records == ["10.0.0.2"]
        assert ask(port, "Other.example", tcp=tcp).records == ["192.0.2.7"]
    assert (len(upstream.asked), len(upstream.by_tcp)) == (1, 1)
    side.put("web", names=("new",))
    assert ask(port, "www").records == ["192.0.2.7"], "it is not ours any more"
    assert ask(port, "new").records == ["10.0.0.2"]
    side.tell({"drop": ["web"]})
    assert ask(port, "new").code == dns.SERVFAIL, "an asker that nobody knows"


def test_what_is_forwarded_where(side: Side, upstream: NameServer) -> None:
    closed = side.container("closed", internal=True)
    assert ask(closed, "example.com").code == dns.SERVFAIL
    dotted = side.container("dotted", ndots=True)
    assert ask(dotted, "single").code == dns.NXDOMAIN, "its search domain comes first"
    assert upstream.asked == []
    assert ask(dotted, "two.parts").records == ["192.0.2.7"]
    ask(dotted, "example", dns.MX)
    assert len(upstream.asked) == 2, "what is no address has no search domain"
    open_ = side.container("open")
    assert ask(open_, "single").records == ["192.0.2.7"]
    chaos = parse(exchange(question("version.bind", dns.TXT, kind_class=3), server=LOCAL, port=open_))
    assert chaos.code == dns.REFUSED


def test_a_long_answer_is_cut_for_udp_and_whole_by_tcp(side: Side) -> None:
    port = side.container("asker")
    for number in range(100):
        side.put(f"c{number}", names=("pool",))
    assert (ask(port, "pool").truncated, ask(port, "pool").records) == (True, [])
    assert ask(port, "pool").size <= 512
    assert len(ask(port, "pool", tcp=True).records) == 100
    assert len(ask(port, "pool", edns=4096).records) == 100


def test_a_server_that_truncates_is_asked_again_by_tcp(side: Side, upstream: NameServer) -> None:
    many = [f"192.0.2.{number}" for number in range(1, 100)]
    upstream.reply = lambda packet, tcp: answer_to(packet, many if tcp else [], truncated=not tcp)
    port = side.container("asker")
    assert ask(port, "long.example").truncated
    assert len(ask(port, "long.example", tcp=True).records) == 99
    upstream.reply = lambda packet, _: answer_to(packet, many)
    assert ask(port, "long.example").truncated, "a server that doesn't mind what was asked for"
    assert len(ask(port, "long.example", edns=4096).records) == 99


def test_a_lie_is_not_believed(side: Side, upstream: NameServer) -> None:
    """Answers with another number, question or kind, or that are questions: only the one that fits counts."""
    lie = ["203.0.113.66"]

    def lies(packet: bytes, _: bool) -> bytes:
        number = struct.unpack_from(">H", packet)[0]
        peer = upstream.peer
        for wrong in (
            answer_to(struct.pack(">H", number ^ 1) + packet[2:], lie),
            answer_to(question("other.example", number=number), lie),
            answer_to(question("bank.example", dns.AAAA, number=number), lie),
            packet,
            b"\xff" * 40,
            b"",
        ):
            upstream.send(wrong, peer)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:  # another port is another server
            stranger.sendto(answer_to(packet, lie), peer)
        return answer_to(packet, ["192.0.2.1"])

    upstream.reply = lies
    port = side.container("asker")
    for _ in range(5):
        assert ask(port, "bank.example").records == ["192.0.2.1"]
    assert len({packet[:2] for packet in upstream.asked}) > 1, "a number by chance for each"
    assert len(upstream.peers) > 1, "and a port"


@pytest.mark.parametrize("code", [dns.SERVFAIL, dns.REFUSED, dns.NOTIMP])
def test_a_server_that_can_not_is_followed_by_the_next(side: Side, upstream: NameServer, code: int) -> None:
    with name_server("127.0.0.2", lambda packet, _: answer_to(packet, [], code=code), upstream.port) as bad:
        port = side.container("asker", servers=["127.0.0.2", LOCAL])
        assert ask(port, "a.example").records == ["192.0.2.7"]
        assert len(bad.asked) == 1
        lonely = side.container("lonely", servers=["127.0.0.2"])
        assert ask(lonely, "a.example").code == code, "what it said is told, if nobody knows better"
    assert ask(lonely, "b.example").code == dns.SERVFAIL, "nobody listens there"
    assert set(side.opened) == {"asker", "lonely"}, "by sockets of the containers themselves"
    for servers in ([forward.OURSELVES], ["169.254.1.1%nowhere"]):
        assert ask(side.container(f"c{len(side.opened)}", servers=servers), "d.example").code == dns.SERVFAIL
    assert ask(side.container("shut", servers=[LOCAL]), "e.example", tcp=True).code == dns.SERVFAIL
    none = side.container("none")
    side.tell({"host": []})
    assert ask(none, "c.example").code == dns.SERVFAIL


def test_a_silent_server_is_asked_last_for_a_while(
    side: Side, upstream: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forward, "SERVER_SECONDS", 0.05)
    with name_server("127.0.0.2", lambda *_: None, upstream.port) as silent:
        port = side.container("asker", servers=["127.0.0.2", LOCAL])
        assert ask(port, "a.example").records == ["192.0.2.7"]
        eventually(lambda: len(silent.asked) == 1, what="the question to the silent one")
        monkeypatch.setattr(forward, "SERVER_SECONDS", 3600.0)
        for _ in range(3):
            assert ask(port, "b.example").records == ["192.0.2.7"]
        assert len(silent.asked) == 1


def test_nobody_takes_the_turn_of_others(side: Side, upstream: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """One asks for what is never answered, without end; another is answered all the same."""
    monkeypatch.setattr(forward, "TOTAL_SECONDS", 3600.0)
    upstream.reply = lambda packet, _: None if b"never" in packet else answer_to(packet, ["192.0.2.7"])
    greedy, modest = side.container("greedy"), side.container("modest")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.connect((LOCAL, greedy))
        own.settimeout(PATIENCE_SECONDS)
        refused = 0
        for number in range(forward.CONCURRENT + forward.WAITING + 20):
            own.send(question(f"never{number}.example", number=number))
            if number >= forward.CONCURRENT + forward.WAITING:
                refused += parse(own.recv(600)).code == dns.SERVFAIL
            elif number % 16 == 0:
                ask(modest, "quick.example")  # so that nothing is lost in a full socket
    assert refused == 20
    assert ask(modest, "fine.example").records == ["192.0.2.7"]
    assert ask(greedy, "greedy").records == ["10.0.0.2"], "what needs no other is answered to it as well"
    never = [packet for packet in upstream.asked if b"never" in packet]
    assert len(never) == forward.CONCURRENT


def test_all_that_wait_may_fail_at_once() -> None:
    """Hundreds of questions that fail one right after another are no deep pile of calls."""
    loop = Loop()
    held: list[Callable[[None], None]] = []
    may_fail = False

    def opener(_: int, __: int, opened: Any) -> None:
        if may_fail:
            opened(None)
        else:
            held.append(opened)

    forwarder, answers = Forwarder(loop), []
    askers = [Asker(Source(loop, opener)) for _ in range(10)]
    for asker in askers:
        for number in range(forward.WAITING):
            asked = message.read(question("a.example", number=number))
            forwarder.ask(asker, asked, [LOCAL], answers.append, by_tcp=False)
    assert len(held) == forward.CONCURRENT_ALL
    assert answers == []
    may_fail = True
    for opened in held:
        opened(None)
    assert len(answers) == 10 * forward.WAITING
    assert not any(asker.going or asker.queue for asker in askers)


def test_an_asker_that_leaves_takes_its_questions_along() -> None:
    loop = Loop()
    forwarder, answers = Forwarder(loop), []
    asker = Asker(Source(loop, lambda *_: None))
    for number in range(forward.CONCURRENT + 5):
        asked = message.read(question("a.example", number=number))
        forwarder.ask(asker, asked, [LOCAL], answers.append, by_tcp=number % 2 == 0)
    forwarder.leave(asker)
    assert len(answers) == forward.CONCURRENT
    assert not asker.going
    assert not asker.queue


def test_asked_again_is_not_forwarded_again(side: Side, upstream: NameServer) -> None:
    waits = threading.Event()

    def reply(packet: bytes, _: bool) -> bytes:
        waits.wait(PATIENCE_SECONDS)
        return answer_to(packet, ["192.0.2.7"])

    upstream.reply = reply
    port = side.container("asker")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.connect((LOCAL, port))
        own.settimeout(PATIENCE_SECONDS)
        for _ in range(5):
            own.send(question("slow.example"))
        ask(port, "asker")  # so all five have been read
        waits.set()
        assert parse(own.recv(600)).records == ["192.0.2.7"]
    ask(port, "other.example")
    assert len([packet for packet in upstream.asked if b"slow" in packet]) == 1


def test_connections_are_bounded_and_bad_ones_closed(side: Side) -> None:
    port = side.container("asker")
    open_ = [socket.create_connection((LOCAL, port), PATIENCE_SECONDS) for _ in range(answering.CONNECTIONS)]
    try:
        for connection in open_:  # each is served, several questions at once
            packet = question("asker")
            framed = struct.pack(">H", len(packet)) + packet
            connection.sendall(framed * 2)
            for _ in range(2):
                assert parse(dns.read_framed(connection)).records == ["10.0.0.2"]
        with socket.create_connection((LOCAL, port), PATIENCE_SECONDS) as more:
            assert more.recv(1) == b"", "one too many"
        open_[0].sendall(b"\xff\xff" + b"x" * 10)
        assert open_[0].recv(1) == b"", "no question is that long"
        open_[1].sendall(struct.pack(">H", 12) + b"\0\1\x80\0" + bytes(8))
        assert open_[1].recv(1) == b"", "an answer is no question"
    finally:
        for connection in open_:
            connection.close()
    eventually(lambda: ask(port, "asker", tcp=True).records, what="room for others again")


def test_idle_connections_are_closed(side: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "IDLE_SECONDS", 0.05)
    port = side.container("asker")
    with socket.create_connection((LOCAL, port), PATIENCE_SECONDS) as idle:
        assert idle.recv(1) == b""


def test_a_container_that_leaves_is_answered_no_more(side: Side) -> None:
    port = side.container("asker")
    with socket.create_connection((LOCAL, port), PATIENCE_SECONDS) as connection:
        packet = question("asker")
        connection.sendall(struct.pack(">H", len(packet)) + packet)
        dns.read_framed(connection)
        side.tell({"leave": "asker"})
        assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOCAL, port), PATIENCE_SECONDS)


def test_garbage_from_all_sides_stops_nothing(side: Side, upstream: NameServer) -> None:
    port = side.container("asker")
    upstream.reply = lambda packet, tcp: (
        packet[:2] + b"\x81\x80" + os.urandom(80) if b"bad" in packet else answer_to(packet, [])
    )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.connect((LOCAL, port))
        for size in range(60):
            own.send(os.urandom(size))
            own.send(b"\0\1\1\0\0\1\0\0\0\0\0\0" + os.urandom(size))
        own.send(question("bad.example"))
    assert ask(port, "asker").records == ["10.0.0.2"]
    assert ask(port, "fine.example").code == dns.NOERROR
