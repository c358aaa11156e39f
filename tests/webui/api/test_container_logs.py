"""`GET /api/v1/containers/{id}/logs/`: what the host has now, as text or JSON; a silent host is a 503."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.valkey import Valkey
from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.site_broker import HOST_ID
from webui.containers import log_lines
from webui.containers.log_lines import JOINED_BYTES, PIECE_BYTES, Stamps, joined
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.links import stream
from worker.contract import frames, keys
from worker.contract.frames import Frame

pytestmark = pytest.mark.django_db(transaction=True)

PATH = f"containers/{CONTAINER_ID}/logs/"


class AnsweringHost(threading.Thread):
    """Answers one stream.open with these frames, holding back what credit does not cover."""

    def __init__(self, server: Valkey, *answer: Frame) -> None:
        super().__init__(daemon=True)
        self.client = server.client()
        self.answer = answer
        self.asked: dict[str, object] = {}
        self.credit = 0

    def run(self) -> None:
        last = b"0-0"
        sent = 0
        waiting = list(self.answer)
        while waiting:
            for _, entries in self.client.xread({keys.control(HOST_ID): last}, block=20) or ():
                for entry_id, fields in entries:
                    last = entry_id
                    message = json.loads(fields[b"m"])
                    if message["kind"] == "stream.open":
                        self.asked = message
                    elif message["kind"] == "stream.credit":
                        self.credit = message["consumed_bytes"]
            while self.asked and waiting and sent - self.credit < frames.WINDOW_BYTES:
                frame = waiting.pop(0)
                sent += len(frame.data)
                self.client.xadd(keys.frames(str(self.asked["stream_id"])), {"m": frame.encode()})


@pytest.fixture
def answering(site_broker: Valkey) -> Iterator[object]:
    started = []

    def start(*answer: Frame) -> AnsweringHost:
        started.append(AnsweringHost(site_broker, *answer))
        started[-1].start()
        return started[-1]

    yield start
    for host in started:
        host.join(5)


def log(*parts: tuple[int, bytes]) -> list[Frame]:
    """Frames of these (channel, data), and the end."""
    answer, cursor = [], 0
    for channel, data in parts:
        cursor += len(data)
        answer.append(Frame(frames.DATA, channel, cursor, 12.5, data))
    return [*answer, Frame(frames.END, 0, cursor, 0.0)]


def test_a_log_is_plain_text_in_the_order_it_was_written(answering, owner: Caller, container: Container) -> None:
    host = answering(*log((1, b"one\n"), (2, b"oops\n"), (1, b"two\n")))
    answer = owner.get(f"{PATH}?tail=100")
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; charset=utf-8")
    assert answer.getvalue() == b"one\noops\ntwo\n"
    assert (host.asked["tail"], host.asked["follow"], host.asked["source"]) == (100, False, "logs")


def test_json_has_streams_times_and_the_cursor_to_go_on(answering, owner: Caller, container: Container) -> None:
    answering(*log((1, b"one\n"), (2, b"oops\n")))
    assert owner.get(f"{PATH}?since=10.5", Accept="application/json").json() == {
        "cursor": 9,
        "chunks": [
            {"stream": "stdout", "at": 12.5, "text": "one\n"},
            {"stream": "stderr", "at": 12.5, "text": "oops\n"},
        ],
    }


def test_a_log_that_is_longer_than_the_window_comes_whole(answering, owner: Caller, container: Container) -> None:
    part = b"x" * frames.FRAME_BYTES
    answering(*log(*[(1, part)] * 64))
    assert owner.get(PATH).getvalue() == part * 64


def test_one_json_answer_has_a_limit_and_leads_to_the_rest(answering, owner: Caller, container: Container) -> None:
    part = b"x" * frames.FRAME_BYTES
    answering(*log(*[(1, part)] * 65)[:64])
    shown = owner.get(PATH, Accept="application/json").json()
    assert shown["cursor"] == sum(len(chunk["text"]) for chunk in shown["chunks"]) == 4 << 20


def test_timestamps_begin_each_line(answering, owner: Caller, container: Container) -> None:
    answering(*log((1, b"one\ntw"), (2, b"oops\r\n"), (1, b"o\n")))
    stamp = b"1970-01-01T00:00:12.500000000Z "
    answer = owner.get(f"{PATH}?timestamps=true")
    assert answer.getvalue() == stamp + b"one\n" + stamp + b"tw" + stamp + b"oops\r\n" + b"o\n"


def test_details_begin_each_line(answering, owner: Caller, container: Container) -> None:
    container.spec = {"log_opt": {"labels": "tier", "env": "A", "tag": "{{.Name}}"}, "labels": {"tier": "front"}}
    container.save()
    answering(*log((1, b"one\ntwo\n")))
    before = f"1970-01-01T00:00:12.500000000Z tag={container.name},tier=front ".encode()
    answer = owner.get(f"{PATH}?details=true&timestamps=true")
    assert answer.getvalue() == before + b"one\n" + before + b"two\n"


def test_what_stands_before_empty_lines_comes_in_pieces() -> None:
    frame = frames.Frame(frames.DATA, frames.STDOUT, 50_000, 1.5, b"\n" * 50_000)
    pieces = list(Stamps(moments=False, details=b"x" * 1024).on(frame))
    assert max(map(len, pieces)) < 2 * PIECE_BYTES and sum(map(len, pieces)) == 50_000 * 1025


@given(
    st.lists(st.tuples(st.sampled_from([1, 2]), st.lists(st.sampled_from([b"a", b"\n", b"\r"])).map(b"".join))),
    st.integers(1, 50),
)
def test_stamps_begin_lines_and_nothing_else(parts: list[tuple[int, bytes]], piece: int) -> None:
    stamps, written = Stamps(moments=False, details=b"<>"), {1: b"", 2: b""}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log_lines, "PIECE_BYTES", piece)
        for channel, data in parts:
            written[channel] += b"".join(stamps.on(Frame(frames.DATA, channel, 0, 0.0, data)))
    for channel, text in written.items():
        whole = b"".join(data for of, data in parts if of == channel)
        lines = [line + b"\n" for line in whole.split(b"\n")]
        lines[-1] = lines[-1][:-1]
        assert text == b"".join(b"<>" + line for line in lines if line)


def test_pieces_are_joined_and_none_is_lost() -> None:
    pieces = [bytes([number % 256]) * (number * 50) for number in range(300)]
    found = list(joined(pieces))
    assert b"".join(found) == b"".join(pieces)
    assert all(JOINED_BYTES <= len(piece) < JOINED_BYTES + 300 * 50 for piece in found[:-1])


def test_range_and_stream_are_handed_to_the_host(answering, owner: Caller, container: Container) -> None:
    host = answering(*log())
    assert owner.get(f"{PATH}?since=1.5&until=9&stream=stderr").getvalue() == b""  # read, so that it is closed here
    assert (host.asked["since"], host.asked["until"], host.asked["channels"]) == (1.5, 9, [frames.STDERR])


def test_times_are_taken_as_everywhere_in_rest(answering, owner: Caller, container: Container) -> None:
    host = answering(*log())
    owner.get(f"{PATH}?since=1970-01-01T00:01:00Z&until=1970-01-01T01:02:00.5%2B01:00").getvalue()
    assert (host.asked["since"], host.asked["until"]) == (60, 120.5)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("since=soon", "Give Unix seconds, or a time such as 2026-01-31T12:00:00Z."),
        ("until=1969-12-31T23:59:59Z", "Give a time from 1970 on, as Unix seconds or such as 2026-01-31T12:00:00Z."),
        ("tail=abc", "Give a whole number from 0 up."),
    ],
)
def test_a_wrong_position_hears_in_words_what_to_give(
    owner: Caller, container: Container, query: str, message: str
) -> None:
    errors = owner.get(f"{PATH}?{query}").json()["errors"]
    assert errors == {query.partition("=")[0]: [message]}


def test_a_stream_that_does_not_exist_is_refused(owner: Caller, container: Container) -> None:
    for query, field in (("stream=stdlog", "stream"), ("until=soon", "until"), ("timestamps=maybe", "timestamps")):
        answer = owner.get(f"{PATH}?{query}")
        assert answer.status_code == 400 and field in answer.json()["errors"]


def test_an_empty_log_is_an_empty_answer(answering, owner: Caller, container: Container) -> None:
    answering(*log())
    answer = owner.get(PATH)
    assert (answer.status_code, answer.getvalue()) == (200, b"")


def test_what_the_host_says_is_wrong_has_its_status(answering, owner: Caller, container: Container) -> None:
    data = json.dumps({"family": "not_found", "message": "no log of this container here"}).encode()
    answering(Frame(frames.ERROR, 0, 0, 0.0, data))
    answer = owner.get(PATH)
    assert (answer.status_code, answer.json()["detail"]) == (404, "no log of this container here")


def test_an_offline_host_is_unavailable_at_once(site_broker: Valkey, owner: Caller, container: Container) -> None:
    Host.objects.update(heartbeat_at=None)
    answer = owner.get(PATH)
    assert (answer.status_code, answer.json()["family"]) == (503, "unavailable")
    assert "pier" in answer.json()["detail"] and answer.headers["Retry-After"]


def test_a_host_that_does_not_answer_is_unavailable_after_a_while(
    site_broker: Valkey, owner: Caller, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "FIRST_SECONDS", 0.1)
    monkeypatch.setattr(stream, "_BLOCK_MILLISECONDS", 50)
    assert owner.get(PATH).status_code == 503
    assert owner.get(PATH, Accept="application/json").status_code == 503


def test_a_broker_that_is_away_is_unavailable(site_broker: Valkey, owner: Caller, container: Container) -> None:
    site_broker.kill()
    assert owner.get(PATH).status_code == 503


@pytest.mark.parametrize("query", ["tail=-1", "tail=1.5", "tail=x", "since=nan", "since=-1", "cursor=1e99"])
def test_a_position_that_is_none_is_named(owner: Caller, container: Container, query: str) -> None:
    answer = owner.get(f"{PATH}?{query}")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [query.split("=", maxsplit=1)[0]])


def test_an_outsider_reads_no_log(site_broker: Valkey, outsider: Caller, container: Container) -> None:
    assert outsider.get(PATH).status_code == 404
    assert not site_broker.client().exists(keys.control(HOST_ID))
