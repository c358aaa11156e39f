"""`/ws/containers/{id}/logs/`: from a position on, live, without gap or repeat, at the reader's own pace."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from django.utils import timezone

from tests.support.valkey import Valkey
from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.streams.fake_host import FakeHost, opened
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.live import carrying
from webui.live.loop import in_thread
from worker.contract import frames
from worker.contract.frames import Frame

pytestmark = pytest.mark.django_db(transaction=True)

PATH = f"/ws/containers/{CONTAINER_ID}/logs/"


async def test_a_log_comes_from_the_position_and_goes_on_live(
    fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    fake_host.say(b"one\n")
    fake_host.say(b"oops\n", frames.STDERR)
    async with opened(f"{PATH}?tail=10", owner) as socket:
        asked = await fake_host.answer_open()
        assert (asked["container_id"], asked["tail"], asked["cursor"], asked["follow"]) == (
            CONTAINER_ID,
            10,
            None,
            True,
        )
        assert await socket.message() == {
            "type": "log",
            "from": 0,
            "cursor": 9,
            "chunks": [
                {"stream": "stdout", "at": 1.5, "text": "one\n"},
                {"stream": "stderr", "at": 1.5, "text": "oops\n"},
            ],
        }
        fake_host.say(b"two\n")
        await fake_host.send(asked["stream_id"], fake_host.log[-1])
        assert (await socket.message())["cursor"] == 13
    assert (await fake_host.next_control("stream.close"))["stream_id"] == asked["stream_id"]


async def test_opening_again_with_the_last_cursor_leaves_no_gap_and_repeats_nothing(
    fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    """Also where the break falls into a character of three bytes."""
    euro = "€".encode()
    fake_host.say(b"price 5 " + euro[:1])
    fake_host.say(euro[1:] + b" only\n")
    async with opened(PATH, owner) as socket:
        asked = await fake_host.next_control("stream.open")
        await fake_host.send(asked["stream_id"], fake_host.log[0])
        first = await socket.message()
        assert first["chunks"][0]["text"] == "price 5 "
    async with opened(f"{PATH}?cursor={first['cursor']}", owner) as socket:
        asked = await fake_host.next_control("stream.open")
        whole = b"".join(frame.data for frame in fake_host.log)
        await fake_host.send(
            asked["stream_id"], Frame(frames.DATA, frames.STDOUT, len(whole), 1.5, whole[asked["cursor"] :])
        )
        assert (await socket.message())["chunks"][0]["text"] == "€ only\n"


async def test_credit_is_given_only_for_what_the_browser_took(
    fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    for _ in range(4):
        fake_host.say(b"x" * frames.FRAME_BYTES)
    async with opened(PATH, owner) as socket:
        asked = await fake_host.next_control("stream.open")
        await fake_host.send(asked["stream_id"], *fake_host.log)
        for _ in range(4):
            assert len((await socket.message())["chunks"][0]["text"]) == frames.FRAME_BYTES
        credit = await fake_host.next_control("stream.credit")
        assert (credit["stream_id"], credit["consumed_bytes"]) == (asked["stream_id"], 4 * frames.FRAME_BYTES)


async def test_what_a_host_sends_twice_after_an_outage_is_shown_once(
    fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    async with opened(PATH, owner) as socket:
        asked = await fake_host.next_control("stream.open")
        sent = [Frame(frames.DATA, 1, 4, 1.0, b"one\n"), Frame(frames.DATA, 1, 4, 1.0, b"one\n")]
        await fake_host.send(asked["stream_id"], *sent, Frame(frames.DATA, 1, 8, 1.0, b"one\ntwo\n"))
        texts = []
        while "".join(texts) != "one\ntwo\n":
            texts += [chunk["text"] for chunk in (await socket.message())["chunks"]]


async def test_what_a_reader_who_fell_behind_was_spared_is_told_by_the_cursors(
    fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    async with opened(f"{PATH}?skip=1000", owner) as socket:
        asked = await fake_host.next_control("stream.open")
        assert asked["skip_bytes"] == 1000
        sent = [Frame(frames.DATA, 1, 4, 1.0, b"one\n"), Frame(frames.DATA, 1, 5004, 1.0, b"far\n")]
        await fake_host.send(asked["stream_id"], *sent)
        first, second = await socket.message(), await socket.message()
        assert (first["from"], first["cursor"], second["from"], second["cursor"]) == (0, 4, 5000, 5004)


async def test_a_removed_containers_log_ends(fake_host: FakeHost, owner: Caller, container: Container) -> None:
    async with opened(PATH, owner) as socket:
        asked = await fake_host.next_control("stream.open")
        await fake_host.send(asked["stream_id"], Frame(frames.END, 0, 0, 1.5))
        assert await socket.message() == {"type": "end"}
        assert await socket.closed() == 1000


async def test_what_the_host_says_is_wrong_is_passed_on(
    fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    error = json.dumps({"family": "data_corrupt", "message": "the log's index is torn"}).encode()
    async with opened(PATH, owner) as socket:
        asked = await fake_host.next_control("stream.open")
        await fake_host.send(asked["stream_id"], Frame(frames.ERROR, 0, 0, 1.5, error))
        assert await socket.message() == {
            "type": "error",
            "error": {"family": "data_corrupt", "message": "the log's index is torn"},
        }


async def test_a_host_that_is_offline_is_an_error_and_a_close_that_says_come_again(
    fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    await in_thread(Host.objects.update, heartbeat_at=None)
    async with opened(PATH, owner) as socket:
        assert (await socket.message())["error"]["family"] == "unavailable"
        assert await socket.closed() == 1013


async def test_a_restarted_worker_is_asked_again_from_the_last_cursor(
    fake_host: FakeHost, owner: Caller, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(carrying, "QUIET_SECONDS", 0.2)
    fake_host.say(b"before\n")
    async with opened(PATH, owner) as socket:
        await fake_host.answer_open()
        await socket.message()
        await in_thread(_restart)
        fake_host.say(b"after\n")
        asked = await fake_host.answer_open()
        assert asked["cursor"] == 7
        assert (await socket.message())["chunks"][0]["text"] == "after\n"


def _restart() -> None:
    Host.objects.update(session="another", heartbeat_at=timezone.now())


async def test_the_log_of_a_container_that_is_still_being_made_is_waited_for(
    fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    def set_status(status: str) -> None:
        Container.objects.update(observed_status=status)

    await in_thread(set_status, "creating")
    missing = Frame(
        frames.ERROR, 0, 0, 1.5, json.dumps({"family": "not_found", "message": "no such container"}).encode()
    )
    async with opened(PATH, owner) as socket:
        await fake_host.send((await fake_host.next_control("stream.open"))["stream_id"], missing)
        assert await socket.silent()
        fake_host.say(b"here I am\n")
        await fake_host.answer_open()
        assert (await socket.message())["chunks"][0]["text"] == "here I am\n"


async def test_a_broker_that_dies_closes_the_socket_with_come_again(
    site_broker: Valkey, fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    async with opened(PATH, owner) as socket:
        await fake_host.next_control("stream.open")
        await asyncio.to_thread(site_broker.kill)
        assert await socket.closed() == 1013


async def test_moments_are_numbers_or_as_rest_takes_them(
    fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    async with opened(f"{PATH}?since=1700000000.5&until=2023-11-14T22:13:21Z", owner):
        asked = await fake_host.answer_open()
        assert (asked["since"], asked["until"]) == (1700000000.5, 1700000001.0)


@pytest.mark.parametrize("query", ["cursor=-1", "tail=many", "since=nan", "until=yesterday"])
async def test_a_position_that_is_none_is_refused(owner: Caller, container: Container, query: str) -> None:
    from tests.webui.streams.fake_host import refused

    assert await refused(f"{PATH}?{query}", owner.headers) == 400


def test_text_is_never_torn_however_the_bytes_are_cut() -> None:
    from webui.containers.log_stream import LogText

    data = "añ€😀\n".encode() * 3
    for size in range(1, 7):
        text, parts = LogText(), []
        for start in range(0, len(data), size):
            part = data[start : start + size]
            chunk: Any = text.chunk(Frame(frames.DATA, frames.STDOUT, start + len(part), 1.0, part))
            parts += [chunk["text"]] if chunk else []
        assert "".join(parts).encode() == data
        assert text.cursor == len(data)
