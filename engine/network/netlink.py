"""Netlink: sockets, messages and attributes, as described in netlink(7).

Messages of our own instead of a library's: encoding takes microseconds, and a process that has attached one
container has not paid half a second and 29 MB for imports (measured with pyroute2 0.9.7; it stays the
independent witness in the tests).
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType

NETLINK_ROUTE = 0
NETLINK_NETFILTER = 12

NLM_F_REQUEST = 0x1
NLM_F_ACK = 0x4
NLM_F_DUMP = 0x300
NLM_F_REPLACE = 0x100
NLM_F_EXCL = 0x200
NLM_F_CREATE = 0x400
NLM_F_APPEND = 0x800

_NLMSG_ERROR = 2
_NLMSG_DONE = 3
_NLM_F_DUMP_INTR = 0x10
_NLM_F_CAPPED = 0x100
_NLM_F_ACK_TLVS = 0x200
_NLA_F_NESTED = 0x8000
_NLA_TYPE_MASK = 0x3FFF
_NLMSGERR_ATTR_MSG = 1
_SOL_NETLINK = 270
_NETLINK_EXT_ACK = 11
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_TIMEOUT_SECONDS = 10.0
_SO_SNDBUFFORCE = 32
_SEND_BYTES = 8 << 20
_DUMP_ATTEMPTS = 5
_RECEIVE_BYTES = 1 << 17
_IFREQ = struct.Struct("=16si20x")


class NetlinkError(OSError):
    """The kernel refused a message; `errno` as usual, `position` is the message's place in its batch."""

    def __init__(self, code: int, reason: str, position: int) -> None:
        super().__init__(code, reason or os.strerror(code))
        self.position = position


@dataclass(frozen=True, slots=True)
class Message:
    """`kind` is the message type, `flags` NLM_F_… besides REQUEST; `body` follows the netlink header."""

    kind: int
    flags: int
    body: bytes
    acknowledge: bool = True


def attribute(kind: int, payload: bytes) -> bytes:
    """One attribute, padded to four bytes."""
    length = 4 + len(payload)
    return _ATTRIBUTE.pack(length, kind) + payload + b"\0" * (-length % 4)


def text(kind: int, value: str) -> bytes:
    """A zero-terminated string."""
    return attribute(kind, value.encode() + b"\0")


def u32(kind: int, value: int) -> bytes:
    """A number in the machine's byte order, as rtnetlink wants it."""
    return attribute(kind, struct.pack("=I", value))


def be32(kind: int, value: int) -> bytes:
    """A number in network byte order, as nfnetlink wants it."""
    return attribute(kind, struct.pack(">I", value & 0xFFFFFFFF))


def nested(kind: int, *parts: bytes) -> bytes:
    return attribute(kind | _NLA_F_NESTED, b"".join(parts))


def walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The attributes in `data` in their order, for lists in which a type repeats."""
    offset = 0
    while offset + 4 <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            return
        yield kind & _NLA_TYPE_MASK, data[offset + 4 : offset + length]
        offset += (length + 3) & ~3


def parse(data: bytes) -> dict[int, bytes]:
    """The attributes in `data` by type."""
    return dict(walk(data))


def string(value: bytes) -> str:
    """The text of a zero-terminated string attribute."""
    return value.rstrip(b"\0").decode(errors="replace")


class Netlink:
    """One netlink socket, used by one thread at a time. It stays in the namespace in which it was made."""

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        self._socket.setsockopt(_SOL_NETLINK, _NETLINK_EXT_ACK, 1)
        self._socket.settimeout(_TIMEOUT_SECONDS)
        # A table with thousands of ports is one transaction, so one message; as root this exceeds wmem_max.
        with suppress(PermissionError):
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, _SEND_BYTES)
        self._sequence = 0

    def send(self, messages: Sequence[Message]) -> None:
        """Send all in one system call and wait for their acknowledgements.

        rtnetlink carries out each message by itself, in order; what precedes a refused one stays done.
        Raises NetlinkError for the first refused message, after all answers have come.
        """
        packed = bytearray()
        positions: dict[int, int] = {}
        waiting: set[int] = set()
        # Where each is carried out by itself, a refusal comes unasked, and before the answer to the last.
        last_answers = all(message.acknowledge for message in messages)
        for position, message in enumerate(messages):
            asks = position == len(messages) - 1 if last_answers else message.acknowledge
            packed += self._pack(message, NLM_F_REQUEST | (NLM_F_ACK if asks else 0))
            positions[self._sequence] = position
            if asks:
                waiting.add(self._sequence)
        self._socket.send(packed)
        refused: NetlinkError | None = None
        while waiting:
            for kind, flags, sequence, body in self._receive():
                if kind != _NLMSG_ERROR or sequence not in positions:
                    continue
                waiting.discard(sequence)
                error = _error(body, flags, positions[sequence])
                if error is not None and not messages[error.position].acknowledge:
                    waiting.clear()  # a batch that failed as a whole: nothing else is sure to come
                refused = refused or error
        if refused is not None:
            raise refused

    def dump(self, kind: int, body: bytes) -> list[bytes]:
        """All objects of a kind; returns the bodies of the answers.

        Asks again when something changed meanwhile, which may have hidden objects.
        """
        for _ in range(_DUMP_ATTEMPTS):
            answers, interrupted = self._ask(Message(kind, NLM_F_DUMP, body))
            if not interrupted:
                break
        return answers

    def get(self, kind: int, body: bytes) -> bytes | None:
        """One object, or None when there is no such one."""
        try:
            answers, _ = self._ask(Message(kind, NLM_F_ACK, body))
        except NetlinkError as error:
            if error.errno in (errno.ENOENT, errno.ENODEV):
                return None
            raise
        return answers[0] if answers else None

    def number(self, request: int, device: str) -> int:
        """One number of a device of the socket's namespace by ioctl(2), as in netdevice(7).

        A question to rtnetlink takes five times as long, and waits for whoever is changing devices. Raises NetlinkError
        (ENODEV).
        """
        try:
            answer = fcntl.ioctl(self._socket, request, _IFREQ.pack(device.encode(), 0))
        except OSError as error:
            raise NetlinkError(error.errno or 0, f"there is no device {device}", 0) from error
        return int(_IFREQ.unpack(answer)[1])

    def close(self) -> None:
        self._socket.close()

    def __enter__(self) -> Netlink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pack(self, message: Message, flags: int) -> bytes:
        self._sequence += 1
        length = _HEADER.size + len(message.body)
        header = _HEADER.pack(length, message.kind, message.flags | flags, self._sequence, 0)
        return header + message.body + b"\0" * (-length % 4)

    def _ask(self, message: Message) -> tuple[list[bytes], bool]:
        """The answers, and whether the kernel said that they may be incomplete."""
        self._socket.send(self._pack(message, NLM_F_REQUEST))
        answers: list[bytes] = []
        interrupted = False
        while True:
            for kind, flags, sequence, body in self._receive():
                if sequence != self._sequence:
                    continue
                interrupted = interrupted or bool(flags & _NLM_F_DUMP_INTR)
                if kind == _NLMSG_DONE:
                    return answers, interrupted
                if kind == _NLMSG_ERROR:
                    error = _error(body, flags, 0)
                    if error is not None:
                        raise error
                    return answers, interrupted
                answers.append(body)

    def _receive(self) -> Iterator[tuple[int, int, int, bytes]]:
        data = self._socket.recv(_RECEIVE_BYTES)
        offset = 0
        while offset + _HEADER.size <= len(data):
            length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
            yield kind, flags, sequence, data[offset + _HEADER.size : offset + length]
            offset += (length + 3) & ~3


class SharedNetlink:
    """A socket that stays open for all threads of this process, one at a time; a forked child makes its own.

    It belongs to the namespace of the thread that used it first. Closing an nfnetlink socket waits until what
    was deleted over it is destroyed, 8 to 36 ms, so the engine keeps one open.
    """

    def __init__(self, protocol: int) -> None:
        self._protocol = protocol
        self._lock = threading.Lock()
        self._current: tuple[int, Netlink] | None = None

    @contextmanager
    def use(self) -> Iterator[Netlink]:
        with self._lock:
            if self._current is None or self._current[0] != os.getpid():
                self._current = (os.getpid(), Netlink(self._protocol))
            netlink = self._current[1]
            try:
                yield netlink
            except NetlinkError:
                raise
            except OSError:  # a time-out or an overrun: what it would read next is unknown
                self._current = None
                netlink.close()
                raise

    def close(self) -> None:
        with self._lock:
            if self._current is not None:
                self._current[1].close()
                self._current = None


def _error(body: bytes, flags: int, position: int) -> NetlinkError | None:
    code = -struct.unpack_from("=i", body)[0]
    if code == 0:
        return None
    reason = ""
    if flags & _NLM_F_ACK_TLVS:
        inner = struct.unpack_from("=I", body, 4)[0]
        start = 4 + (_HEADER.size if flags & _NLM_F_CAPPED else (inner + 3) & ~3)
        reason = string(parse(body[start:]).get(_NLMSGERR_ATTR_MSG, b""))
    return NetlinkError(code, reason, position)
