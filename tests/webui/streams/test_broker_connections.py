"""Readers of the broker share connections, and leave few behind."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from tests.support.valkey import Valkey
from webui.live.broadcaster import Feed
from webui.live.loop import KEPT_CONNECTIONS, connect_to_broker


@pytest.fixture(autouse=True)
def _broker(site_broker: Valkey) -> Iterator[None]:
    yield


def connections(broker: Valkey) -> int:
    with contextlib.closing(broker.client()) as client:
        return len(client.client_list())


async def reading(key: str, milliseconds: int) -> Any:
    client = connect_to_broker()
    try:
        return await client.xread({key: "0-0"}, block=milliseconds)
    finally:
        await client.aclose()


async def test_one_after_the_other_takes_the_same_connection(site_broker: Valkey) -> None:
    before = connections(site_broker)
    for number in range(10):
        await reading(f"nothing{number}", 1)
    assert connections(site_broker) == before + 1


async def test_a_crowd_leaves_few_connections(site_broker: Valkey) -> None:
    before = connections(site_broker)
    await asyncio.gather(*(reading(f"nothing{number}", 300) for number in range(KEPT_CONNECTIONS * 3)))
    assert before < connections(site_broker) <= before + KEPT_CONNECTIONS


async def test_a_crowd_of_any_size_is_let_in(site_broker: Valkey) -> None:
    before = connections(site_broker)
    answers = await asyncio.gather(*(reading(f"nothing{number}", 2000) for number in range(150)))
    assert len(answers) == 150
    assert connections(site_broker) <= before + KEPT_CONNECTIONS


async def test_who_was_cancelled_leaves_no_answer_to_the_next(site_broker: Valkey) -> None:
    for number in range(20):
        waiting = asyncio.create_task(reading("stream", 5000))
        await asyncio.sleep(0.005)
        waiting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await waiting
        with contextlib.closing(site_broker.client()) as writer:
            writer.xadd("stream", {"m": "late"})
            writer.set("key", number)
        client = connect_to_broker()
        assert await client.get("key") == b"%d" % number


async def test_a_broker_that_came_again_is_found(site_broker: Valkey) -> None:
    await reading("nothing", 1)
    site_broker.stop()
    site_broker.start()
    assert await reading("nothing", 1) in (None, [], {})


async def test_what_was_sent_is_not_sent_again(site_broker: Valkey, settings: Any) -> None:
    """The broker did it, and the connection was lost before its answer came."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, to = await asyncio.open_unix_connection(str(site_broker.socket))
        while data := await reader.read(65536):
            to.write(data)
            answer = await there.read(65536)
            if b"XADD" in data:
                break
            writer.write(answer)
        to.close()
        writer.close()

    between = site_broker.socket.with_name("between")
    server = await asyncio.start_unix_server(pass_on, between)
    settings.PORTSIDE = replace(
        settings.PORTSIDE, redis_url=site_broker.url.replace(site_broker.socket.name, between.name)
    )
    client = connect_to_broker()
    for attempt in (client.xadd("once", {"m": 1}), client.pipeline(transaction=False).xadd("once", {"m": 2}).execute()):
        with pytest.raises(RedisConnectionError):
            await attempt
    server.close()
    with contextlib.closing(site_broker.client()) as reader:
        assert [fields[b"m"] for _, fields in reader.xrange("once")] == [b"1", b"2"]


async def test_a_feed_stays_a_moment_for_who_comes_next(monkeypatch: pytest.MonkeyPatch, site_broker: Valkey) -> None:
    monkeypatch.setattr("webui.live.broadcaster.LINGER_SECONDS", 1.5)
    feed = Feed("some")
    first = await feed.subscribe()
    feed.unsubscribe(first)
    task = feed._task
    second = await feed.subscribe()
    assert feed._task is task and task is not None
    await asyncio.sleep(1.6)
    assert not task.done(), "somebody listens"
    feed.unsubscribe(second)
    await asyncio.sleep(0.8)
    feed.unsubscribe(await feed.subscribe())
    await asyncio.sleep(0.8)
    assert feed._task is task, "the moment begins anew when somebody was there"
    await asyncio.sleep(1)
    assert task.done() and feed._task is None
