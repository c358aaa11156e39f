"""DNS seen from outside: questions to send, answers taken apart, and a name server to be forwarded to.

Written by itself, without a line of the engine's, so that one fault can't hide the other.
"""

from __future__ import annotations

import contextlib
import ctypes
import ipaddress
import os
import random
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeVar

from tests.support.processes import PATIENCE_SECONDS

T = TypeVar("T")
A, CNAME, PTR, MX, TXT, AAAA, OPT, ANY = 1, 5, 12, 15, 16, 28, 41, 255
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
EMBEDDED = "127.0.0.11"
RETRY_SECONDS = 1.0


@dataclass
class Answer:
    """`records` are text: addresses, names; what is neither is in hex."""

    number: int
    code: int
    truncated: bool
    authoritative: bool
    question: bytes
    records: list[str] = field(default_factory=list)
    ttls: list[int] = field(default_factory=list)
    has_edns: bool = False
    size: int = 0


def wire_name(name: str) -> bytes:
    labels = [label.encode() for label in name.strip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def question(name: str, kind: int = A, *, number: int = 0x1234, edns: int | None = None, kind_class: int = 1) -> bytes:
    header = struct.pack(">6H", number, 0x0100, 1, 0, 0, 0 if edns is None else 1)
    option = b"" if edns is None else b"\0" + struct.pack(">HHIH", OPT, edns, 0, 0)
    return header + wire_name(name) + struct.pack(">HH", kind, kind_class) + option


def parse(packet: bytes) -> Answer:
    number, flags, questions, answers, authorities, others = struct.unpack_from(">6H", packet)
    at = start = 12
    for _ in range(questions):
        at = _read_name(packet, at)[1] + 4
    answer = Answer(number, flags & 0xF, bool(flags & 0x200), bool(flags & 0x400), packet[start:at], size=len(packet))
    for index in range(answers + authorities + others):
        _, at = _read_name(packet, at)
        kind, _, ttl, length = struct.unpack_from(">HHIH", packet, at)
        at += 10
        data = packet[at : at + length]
        if kind == OPT:
            answer.has_edns = True
        elif index < answers:
            is_address = kind in (A, AAAA)
            named = kind in (PTR, CNAME)
            answer.records.append(
                str(ipaddress.ip_address(data)) if is_address else _read_name(packet, at)[0] if named else data.hex()
            )
            answer.ttls.append(ttl)
        at += length
    assert at == len(packet), "there is more than the header says"
    return answer


def _read_name(packet: bytes, at: int) -> tuple[str, int]:
    labels, end = [], 0
    while packet[at]:
        if packet[at] >= 0xC0:
            end = end or at + 2
            at = struct.unpack_from(">H", packet, at)[0] & 0x3FFF
            continue
        labels.append(packet[at + 1 : at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return ".".join(labels), end or at + 1


def exchange(
    packet: bytes, *, tcp: bool = False, server: str = EMBEDDED, port: int = 53, seconds: float = 60.0
) -> bytes:
    """Send a packet from where we are, and return what comes back; by UDP it is sent again as programs do."""
    if tcp:
        with socket.create_connection((server, port), seconds) as connection:
            connection.sendall(struct.pack(">H", len(packet)) + packet)
            return read_framed(connection)
    end = time.monotonic() + seconds
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
        own.settimeout(RETRY_SECONDS)
        own.connect((server, port))
        while True:
            try:
                own.send(packet)
                return own.recv(65535)
            except (TimeoutError, ConnectionRefusedError):
                if time.monotonic() > end:
                    raise


def read_framed(connection: socket.socket) -> bytes:
    """One message by TCP."""
    (length,) = struct.unpack(">H", _exactly(connection, 2))
    return _exactly(connection, length)


def _exactly(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count:
        more = connection.recv(count - len(found))
        if not more:
            raise ConnectionError("the connection ended")
        found += more
    return found


def inside(pid: int, work: Callable[[], T]) -> T:
    """Do `work` in the network namespace of a process, in a thread of its own."""
    done: list[tuple[T | None, BaseException | None]] = []

    def enter() -> None:
        try:
            descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
            try:
                if ctypes.CDLL(None, use_errno=True).setns(descriptor, 0x40000000):
                    raise OSError(ctypes.get_errno(), "setns")
            finally:
                os.close(descriptor)
            done.append((work(), None))
        except BaseException as error:
            done.append((None, error))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    result, error = done[0]
    if error is not None:
        raise error
    return result  # type: ignore[return-value]


def ask(pid: int | None, name: str, kind: int = A, *, tcp: bool = False, edns: int | None = None) -> Answer:
    """Ask the embedded resolver as a program in the container of `pid` would; it waits as long as it takes."""
    assert pid is not None
    packet = question(name, kind, edns=edns)
    answer = parse(inside(pid, lambda: exchange(packet, tcp=tcp, seconds=PATIENCE_SECONDS)))
    assert answer.number == 0x1234
    assert answer.question[: len(wire_name(name))].lower() == wire_name(name).lower()
    return answer


def pair(address: str, port: int = 0) -> tuple[socket.socket, socket.socket]:
    """Sockets for UDP and TCP with the same port; 0: one by chance, of those that the kernel gives to nobody."""
    while True:
        chosen = port or random.randrange(20_000, 32_000)
        udp, tcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), socket.socket()
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            udp.bind((address, chosen))
            tcp.bind((address, chosen))
            tcp.listen()
        except OSError:
            udp.close()
            tcp.close()
            if port:
                raise
        else:
            return udp, tcp


class NameServer:
    """A name server at `address`:`port`, by UDP and TCP: `reply` makes an answer of a question, None for silence."""

    def __init__(self, address: str, reply: Callable[[bytes, bool], bytes | None], port: int = 53) -> None:
        self.asked: list[bytes] = []
        self.by_tcp: list[bytes] = []
        self.peers: set[tuple[str, int]] = set()
        self.reply = reply
        self._udp, self._tcp = pair(address, port)
        self.port: int = self._udp.getsockname()[1]
        self._is_closed = False
        self._threads = [threading.Thread(target=self._serve_udp), threading.Thread(target=self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._is_closed = True
        with contextlib.suppress(OSError):
            self._tcp.shutdown(socket.SHUT_RDWR)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as waker:
            waker.sendto(b"", self._udp.getsockname())
        for thread in self._threads:
            thread.join()
        self._udp.close()
        self._tcp.close()

    def send(self, packet: bytes, peer: tuple[str, int]) -> None:
        """Something by UDP that is no reply."""
        self._udp.sendto(packet, peer)

    def _serve_udp(self) -> None:
        while True:
            packet, peer = self._udp.recvfrom(65535)
            if self._is_closed:
                return
            self.asked.append(packet)
            self.peer = peer
            self.peers.add(peer)
            answer = self.reply(packet, False)
            if answer is not None:
                self._udp.sendto(answer, peer)

    def _serve_tcp(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._tcp.accept()
                with connection, contextlib.suppress(OSError):
                    packet = read_framed(connection)
                    self.by_tcp.append(packet)
                    answer = self.reply(packet, True)
                    if answer is not None:
                        connection.sendall(struct.pack(">H", len(answer)) + answer)


@contextlib.contextmanager
def name_server(
    address: str, reply: Callable[[bytes, bool], bytes | None] | None = None, port: int = 53
) -> Iterator[NameServer]:
    server = NameServer(address, reply or (lambda packet, _: answer_to(packet, ["192.0.2.7"])), port)
    try:
        yield server
    finally:
        server.close()


def answer_to(packet: bytes, addresses: list[str], *, code: int = 0, truncated: bool = False) -> bytes:
    """An answer with these addresses to a question without EDNS, or with it."""
    end = 12
    while packet[end]:
        end += 1 + packet[end]
    end += 5
    flags = 0x8180 | code | (0x200 if truncated else 0)
    records = b"".join(
        b"\xc0\x0c" + struct.pack(">HHIH", A, 1, 60, 4) + ipaddress.ip_address(address).packed for address in addresses
    )
    return packet[:2] + struct.pack(">5H", flags, 1, len(addresses), 0, 0) + packet[12:end] + records
