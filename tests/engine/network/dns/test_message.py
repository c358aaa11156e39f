"""DNS on the wire: what is read, what is answered, and that no packet does any harm."""

from __future__ import annotations

import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.network.dns import message
from engine.network.dns.message import Malformed
from tests.support import dns

PATIENT = settings(deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow])
"""On a machine that is busy, making an input may take longer than hypothesis likes."""


def test_a_question_is_read() -> None:
    packet = dns.question("WWW.Example.COM", dns.AAAA, edns=1400)
    read = message.read(packet)
    assert (read.name, read.kind, read.kind_class, read.udp_bytes) == ("www.example.com", dns.AAAA, 1, 1400)
    assert message.read(dns.question("a")).udp_bytes == 512
    assert message.read(dns.question("a", edns=100)).udp_bytes == 512
    assert message.read(dns.question("a", edns=65535)).udp_bytes == 4096
    assert message.read(dns.question("")).name == ""
    dotted = dns.question("x").replace(b"\x01x", b"\x03a.b")
    assert message.read(dotted).name == "a\\.b", "a dot in a label parts nothing"


@pytest.mark.parametrize(
    ("packet", "can_answer", "code"),
    [
        (b"", False, 1),
        (b"\0" * 11, False, 1),
        (b"\0\1\x80\0" + bytes(8), False, 1),  # an answer
        (b"\0\1\x10\0" + bytes(8), True, 4),  # a status request
        (b"\0\1\x28\0\0\1" + bytes(6), True, 4),  # an update
        (b"\0\1" + bytes(10), True, 1),  # no question
        (struct.pack(">6H", 1, 0, 2, 0, 0, 0) + b"\1a\0\0\1\0\1" * 2, True, 1),
        (struct.pack(">6H", 1, 0, 1, 0, 0, 0) + b"\xc0\x0c\0\1\0\1", True, 1),  # a name that is itself
        (struct.pack(">6H", 1, 0, 1, 0, 0, 0) + b"\1a\xc0\x0c\0\1\0\1", True, 1),
        (struct.pack(">6H", 1, 0, 1, 0, 0, 0) + b"\x40a", True, 1),
        (struct.pack(">6H", 1, 0, 1, 0, 0, 0) + b"\x3fa", True, 1),
        (struct.pack(">6H", 1, 0, 1, 0, 0, 0) + b"\1a\0\0\1", True, 1),
        (
            struct.pack(">6H", 1, 0, 1, 0, 0, 0) + b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 3 + b"\0\0\1\0\1",
            True,
            1,
        ),
        (struct.pack(">6H", 1, 0, 1, 0, 0, 1) + b"\1a\0\0\1\0\1" + b"\0\0\x29", True, 1),
        (struct.pack(">6H", 1, 0, 1, 0, 0, 65535) + b"\1a\0\0\1\0\1", True, 1),
        (struct.pack(">6H", 1, 0, 1, 1, 0, 0) + b"\1a\0\0\1\0\1", True, 1),
    ],
)
def test_what_is_no_question_is_refused(packet: bytes, can_answer: bool, code: int) -> None:
    with pytest.raises(Malformed) as caught:
        message.read(packet)
    assert (caught.value.can_answer, caught.value.code) == (can_answer, code)
    if can_answer:
        refused = dns.parse(message.refusal(packet, code))
        assert (refused.number, refused.code, refused.records) == (struct.unpack_from(">H", packet)[0], code, [])


def test_answers_are_understood_by_another_reader() -> None:
    question = message.read(dns.question("Pool", edns=1232))
    data = [(dns.A, bytes([10, 0, 0, number])) for number in range(1, 4)]
    answer = dns.parse(message.answer(question, data, 5))
    assert answer.records == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    assert answer.ttls == [5, 5, 5]
    assert (answer.code, answer.authoritative, answer.has_edns, answer.truncated) == (0, True, True, False)
    assert b"\x04Pool" in answer.question, "as it was written"
    failed = dns.parse(message.error(question, dns.NXDOMAIN, own=True))
    assert (failed.code, failed.authoritative) == (dns.NXDOMAIN, True)
    short = dns.parse(message.truncated(question, message.error(question, dns.NXDOMAIN)))
    assert (short.code, short.truncated, short.records) == (dns.NXDOMAIN, True, [])
    pointer = message.answer(
        message.read(dns.question("1.0.0.10.in-addr.arpa", dns.PTR)), [(dns.PTR, message.encode("web.front"))], 5
    )
    assert dns.parse(pointer).records == ["web.front"]


def test_only_the_very_question_is_answered() -> None:
    packet = dns.question("bank.example", number=7)
    question = message.read(packet)
    good = dns.answer_to(packet, ["192.0.2.1"])
    assert message.is_answer_to(question, 7, good)
    assert not message.is_answer_to(question, 8, good)
    assert not message.is_answer_to(question, 7, packet), "a question"
    assert not message.is_answer_to(question, 7, dns.answer_to(dns.question("bank.exampel", number=7), ["192.0.2.1"]))
    assert not message.is_answer_to(question, 7, dns.answer_to(dns.question("Bank.example", number=7), ["192.0.2.1"]))
    assert not message.is_answer_to(question, 7, dns.answer_to(dns.question("bank.example", dns.AAAA, number=7), []))
    assert not message.is_answer_to(question, 7, good[:12])
    assert not message.is_answer_to(question, 7, b"")


@pytest.mark.parametrize("name", ["a" * 64, ".".join(["a" * 63] * 5), "..", "ü", ""])
def test_any_name_can_be_written(name: str) -> None:
    encoded = message.encode(name)
    assert len(encoded) <= 255
    assert encoded.endswith(b"\0")


@PATIENT
@given(st.binary(max_size=600))
def test_no_packet_does_harm(packet: bytes) -> None:
    _try(packet)


@PATIENT
@given(
    st.tuples(st.integers(0, 65535), st.integers(0, 0x7FF), st.just(1), st.just(0), st.just(0), st.integers(0, 9)),
    st.lists(st.binary(max_size=70), max_size=6),
    st.binary(max_size=80),
)
def test_no_packet_that_begins_well_does_harm(header: tuple[int, ...], labels: list[bytes], rest: bytes) -> None:
    name = b"".join(bytes([len(label)]) + label for label in labels)
    _try(struct.pack(">6H", *header) + name + rest)


def _try(packet: bytes) -> None:
    try:
        question = message.read(packet)
    except Malformed as error:
        if error.can_answer:
            dns.parse(message.refusal(packet, error.code))
        return
    assert question.end <= len(packet)
    for answer in (message.answer(question, [(dns.A, b"\x0a\0\0\1")], 5), message.error(question, dns.SERVFAIL)):
        assert message.is_answer_to(question, struct.unpack_from(">H", packet)[0], answer)
        assert len(message.truncated(question, answer)) <= 512
