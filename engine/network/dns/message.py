"""DNS on the wire (RFC 1035, EDNS of RFC 6891): questions read, answers written.

Packets are hostile. A question's name may not be compressed, and no other name is ever followed, so nothing loops;
whatever doesn't fit is `Malformed`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

A, PTR, AAAA, OPT, ANY = 1, 12, 28, 41, 255
IN = 1
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = 0, 1, 2, 3, 4, 5
RESPONSE, AUTHORITATIVE, TRUNCATED, RECURSION_WANTED, RECURSION_THERE = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080
HEADER = struct.Struct(">6H")
UDP_BYTES = 512
"""What an answer by UDP may have when the question says nothing else."""
UDP_MOST_BYTES = 4096
_OURS_BYTES = 1232  # what we say that we take; https://www.dnsflagday.net/2020/
_MOST_RECORDS = 8  # a question has one record at most (OPT), or two with a signature
_TAIL = struct.Struct(">HH")
_RECORD = struct.Struct(">HHIH")
_SELF = b"\xc0\x0c"  # a pointer to the question's name


class Malformed(ValueError):
    """A packet that is no question. `can_answer`: it has a header that an error can be sent back for."""

    def __init__(self, why: str, *, can_answer: bool = True, code: int = FORMERR) -> None:
        super().__init__(why)
        self.can_answer = can_answer
        self.code = code


class Question(NamedTuple):
    """`name` is in lower case, without the last dot; `end` is where the question ends in `packet`.

    `udp_bytes`: how long an answer by UDP may be; `has_edns`: it came with an OPT record.
    """

    packet: bytes
    name: str
    kind: int
    kind_class: int
    end: int
    udp_bytes: int
    has_edns: bool


def read(packet: bytes) -> Question:
    """Raises Malformed."""
    if len(packet) < HEADER.size:
        raise Malformed("too short", can_answer=False)
    _, flags, questions, answers, authorities, others = HEADER.unpack_from(packet)
    if flags & RESPONSE:
        raise Malformed("an answer", can_answer=False)
    if flags >> 11 & 0xF:
        raise Malformed("no query", code=NOTIMP)
    if questions != 1 or answers or authorities or others > _MOST_RECORDS:
        raise Malformed("not one question")
    name, at = _name(packet, HEADER.size)
    if at + _TAIL.size > len(packet):
        raise Malformed("cut off")
    kind, kind_class = _TAIL.unpack_from(packet, at)
    end = at + _TAIL.size
    size = _edns_bytes(packet, end, others)
    allowed = UDP_BYTES if size is None else min(max(size, UDP_BYTES), UDP_MOST_BYTES)
    return Question(packet, name, kind, kind_class, end, allowed, size is not None)


def answer(question: Question, kinds_and_data: Sequence[tuple[int, bytes]], ttl: int) -> bytes:
    """An answer of our own: records of the question's name. `data` is the record's, encoded."""
    records = b"".join(_SELF + _RECORD.pack(kind, IN, ttl, len(data)) + data for kind, data in kinds_and_data)
    return _reply(question, NOERROR | AUTHORITATIVE, len(kinds_and_data), records)


def error(question: Question, code: int, *, own: bool = False) -> bytes:
    """An answer without records. `own`: we are who knows."""
    return _reply(question, code | (AUTHORITATIVE if own else 0), 0, b"")


def refusal(packet: bytes, code: int) -> bytes:
    """An error for what can't be read: its number, and nothing of what it holds."""
    number, flags = struct.unpack_from(">HH", packet)
    return HEADER.pack(number, RESPONSE | flags & (0x7800 | RECURSION_WANTED) | code, 0, 0, 0, 0)


def truncated(question: Question, whole: bytes) -> bytes:
    """`whole` without its records, and the word that there are some: the asker comes again by TCP."""
    _, flags = struct.unpack_from(">HH", whole)
    return _reply(question, (flags & (AUTHORITATIVE | 0x000F)) | TRUNCATED, 0, b"")


def is_answer_to(question: Question, number: int, packet: bytes) -> bool:
    """Whether `packet` answers this question as it was sent on, with `number`: the same name, letter by letter."""
    if len(packet) < question.end:
        return False
    got, flags, questions = struct.unpack_from(">HHH", packet)
    asked = question.packet[HEADER.size : question.end]
    return got == number and bool(flags & RESPONSE) and questions == 1 and packet[12 : question.end] == asked


def code_of(packet: bytes) -> int:
    return packet[3] & 0xF


def encode(name: str) -> bytes:
    """A name of ours on the wire; what is too long for that is cut off."""
    labels = [label.encode("latin-1", "replace")[:63] for label in name.split(".") if label]
    encoded = b"".join(bytes([len(label)]) + label for label in labels)
    return encoded[:254] + b"\0" if len(encoded) <= 254 else b"\0"


def _reply(question: Question, flags: int, count: int, records: bytes) -> bytes:
    number, asked = struct.unpack_from(">HH", question.packet)
    # What was asked for (recursion, checking disabled) is told back.
    flags |= RESPONSE | RECURSION_THERE | asked & (RECURSION_WANTED | 0x0010)
    edns = b"\0" + _RECORD.pack(OPT, _OURS_BYTES, 0, 0) if question.has_edns else b""
    header = HEADER.pack(number, flags, 1, count, 0, int(question.has_edns))
    return header + question.packet[HEADER.size : question.end] + records + edns


def _name(packet: bytes, at: int) -> tuple[str, int]:
    labels = []
    start = at
    while True:
        if at >= len(packet):
            raise Malformed("cut off")
        length = packet[at]
        if length == 0:
            break
        if length > 63:
            raise Malformed("a name with a pointer")
        labels.append(packet[at + 1 : at + 1 + length].replace(b".", b"\\."))
        at += 1 + length
        if at - start > 254:
            raise Malformed("a name of more than 255 bytes")
    return b".".join(labels).lower().decode("latin-1"), at + 1


def _edns_bytes(packet: bytes, at: int, count: int) -> int | None:
    """What the OPT record among `count` further ones says; None without one."""
    for _ in range(count):
        at = _after_name(packet, at)
        if at + _RECORD.size > len(packet):
            raise Malformed("cut off")
        kind, size, _, length = _RECORD.unpack_from(packet, at)
        if kind == OPT:
            return int(size)
        at += _RECORD.size + length
    return None


def _after_name(packet: bytes, at: int) -> int:
    while at < len(packet):
        length = packet[at]
        if length == 0:
            return at + 1
        if length >= 0xC0:
            return at + 2  # a pointer ends a name; where it points to is of no interest
        at += 1 + length
    raise Malformed("cut off")
