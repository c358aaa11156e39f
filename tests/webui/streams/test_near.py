"""Logs of a host that shares the site's home: by its socket, with nothing of them at the broker."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.errors import NotFound
from tests.support.valkey import Valkey
from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.site_broker import HOST_ID
from tests.webui.streams.fake_host import FakeHost, Opened, opened
from tests.worker.fakes import FakeLog
from webui.containers.log_stream import LogPosition, open_message
from webui.containers.models import Container
from webui.dockerapi.containers import logs as docker_logs
from webui.links import near, shared_home
from webui.live.loop import in_thread
from worker.contract import frames
from worker.contract.frames import Frame
from worker.contract.near import STREAMS_SOCKET
from worker.near_streams import NearStreams
from worker.streams import StreamServer

pytestmark = pytest.mark.django_db(transaction=True)

PATH = f"/ws/containers/{CONTAINER_ID}/logs/"


class NearHost:
    def __init__(self, home: Path, broker: Valkey) -> None:
        self._home, self._broker = home, broker
        self.logs = {CONTAINER_ID: FakeLog()}
        (home / "run").mkdir()
        (home / "host-id").write_text(f"{HOST_ID}\n")
        self.start()

    @property
    def log(self) -> FakeLog:
        return self.logs[CONTAINER_ID]

    def start(self) -> None:
        self.server = StreamServer(self._broker.client(), {"logs": self._open})
        self.way = NearStreams(self._home / "run" / STREAMS_SOCKET, self.server.handle)
        self.server.start()
        self.way.start()

    def _open(self, container_id: str) -> FakeLog:
        if container_id not in self.logs:
            raise NotFound("There is no such container.")
        return self.logs[container_id]

    def stop(self) -> None:
        """As a worker that ends: all its connections do."""
        self.way.stop()
        self.server.stop()
        for _, outlet in self.server._sockets.values():
            outlet.close()


@pytest.fixture
async def near_host(
    site_broker: Valkey, settings: Any, monkeypatch: pytest.MonkeyPatch, container: Container
) -> AsyncIterator[NearHost]:
    with tempfile.TemporaryDirectory(prefix="ps") as directory:  # tmp_path is too long for a Unix socket
        home = Path(directory)
        settings.PORTSIDE = dataclasses.replace(settings.PORTSIDE, home=home)
        monkeypatch.setattr(shared_home, "_directory", None)
        made = NearHost(home, site_broker)
        yield made
        made.stop()


async def text_of(socket: Opened, size: int) -> str:
    found = ""
    while len(found) < size:
        found += "".join(chunk["text"] for chunk in (await socket.message())["chunks"])
    return found


async def test_a_page_is_told_without_the_broker(near_host: NearHost, fake_host: FakeHost, owner: Caller) -> None:
    near_host.log.append(b"one\n", at=1.0)
    near_host.log.append(b"oops\n", "stderr", at=2.0)
    async with opened(f"{PATH}?cursor=0", owner) as socket:
        assert await socket.message() == {
            "type": "log",
            "from": 0,
            "cursor": 9,
            "chunks": [
                {"stream": "stdout", "at": 1.0, "text": "one\n"},
                {"stream": "stderr", "at": 2.0, "text": "oops\n"},
            ],
        }
        near_host.log.append(b"two\n", at=3.0)
        assert await text_of(socket, 4) == "two\n"
        assert near.NearStream.open == 1
        assert not await fake_host.client.keys("portside:control:*"), "nothing was asked by the broker"
    assert near.NearStream.open == 0


async def test_a_worker_that_ends_and_comes_again_leaves_no_gap(near_host: NearHost, owner: Caller) -> None:
    near_host.log.append(b"before\n", at=1.0)
    async with opened(f"{PATH}?cursor=0", owner) as socket:
        assert await text_of(socket, 7) == "before\n"
        await in_thread(near_host.stop)
        near_host.log.append(b"between\n", at=2.0)
        await in_thread(near_host.start)
        near_host.log.append(b"after\n", at=3.0)
        assert await text_of(socket, 14) == "between\nafter\n"


async def test_without_its_socket_the_broker_is_asked(near_host: NearHost, fake_host: FakeHost, owner: Caller) -> None:
    near_host.stop()
    fake_host.say(b"by the broker\n")
    async with opened(PATH, owner) as socket:
        await fake_host.answer_open()
        assert await text_of(socket, 14) == "by the broker\n"


async def test_the_end_and_what_is_wrong_are_told(near_host: NearHost, owner: Caller) -> None:
    near_host.log.append(b"last words\n", at=1.0)
    async with opened(f"{PATH}?cursor=0", owner) as socket:
        assert await text_of(socket, 11) == "last words\n"
        near_host.log.chunks.clear()
        assert await socket.message() == {"type": "end"}
    near_host.logs.clear()
    async with opened(PATH, owner) as socket:
        assert (await socket.message())["error"]["family"] == "not_found"


async def test_many_readers_together_are_given_little_at_once(
    near_host: NearHost, owner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    receive = asyncio.get_running_loop().sock_recv

    async def noting(connection: Any, size: int) -> bytes:
        asked.append(size)
        return await receive(connection, size)

    monkeypatch.setattr(asyncio.get_running_loop(), "sock_recv", noting)
    near_host.log.append(b"x" * 300_000, at=1.0)
    async with opened(f"{PATH}?cursor=0", owner) as socket:
        assert len(await text_of(socket, 300_000)) == 300_000
    assert set(asked) == {near.MOST_BYTES}
    monkeypatch.setattr(near, "ALL_BYTES", near.MOST_BYTES + 1)
    asked.clear()
    async with opened(f"{PATH}?cursor=0", owner) as one, opened(f"{PATH}?cursor=0", owner) as other:
        assert len(await text_of(one, 300_000)) == len(await text_of(other, 300_000)) == 300_000
    assert min(asked) == near.MOST_BYTES // 2


async def test_rest_has_all_of_a_log_and_its_errors(near_host: NearHost, owner: Caller) -> None:
    for number in range(30):
        near_host.log.append(b"%d" % (number % 10) * 100_000, at=float(number))
    whole = b"".join(chunk.data for chunk in near_host.log.chunks)

    def ask(query: str = "") -> Any:
        return owner.get(f"containers/{CONTAINER_ID}/logs/{query}")

    answer = await in_thread(ask)
    assert answer.status_code == 200
    assert await in_thread(answer.getvalue) == whole
    assert (await in_thread(ask, "?format=json")).json()["cursor"] == len(whole)
    await in_thread(near_host.logs.clear)
    assert (await in_thread(ask)).status_code == 404


async def test_an_answer_that_the_host_breaks_off_is_not_taken_for_whole(near_host: NearHost, owner: Caller) -> None:
    """A worker that ends before it has said all."""

    def ask() -> Any:
        return owner.get(f"containers/{CONTAINER_ID}/logs/")

    near_host.server.stop()  # whoever connects is not served
    asking = asyncio.ensure_future(in_thread(ask))
    await asyncio.sleep(0.2)
    near_host.server.handle = None  # type: ignore[assignment, method-assign]
    while not near_host.server._messages.empty():
        _, connection = near_host.server._messages.get()
        connection.close()  # type: ignore[union-attr]
    assert (await asking).status_code == 503


async def test_who_is_cancelled_twice_leaves_no_connection(near_host: NearHost, container: Container) -> None:
    host = await in_thread(lambda: container.host)
    wish = open_message(CONTAINER_ID, LogPosition(tail=0), follow=True)
    way = await near.connect(host, wish)
    assert way is not None

    async def read_and_close() -> None:
        try:
            while True:
                await way.read(60)
        finally:
            await way.close()

    reading = asyncio.ensure_future(read_and_close())
    await asyncio.sleep(0.1)
    reading.cancel()
    await asyncio.sleep(0)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await asyncio.sleep(0)
    assert near.NearStream.open == 0
    assert way._connection.fileno() == -1


async def test_docker_gets_no_byte_twice_that_came_twice_in_one_batch(
    container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a broker's failure in the middle of what was sent."""
    one, two = Frame(frames.DATA, 1, 4, 1.0, b"one\n"), Frame(frames.DATA, 1, 8, 1.0, b"two\n")
    half = Frame(frames.DATA, 1, 10, 1.0, b"o\nth")

    async def twice(*_: Any) -> AsyncIterator[list[Frame]]:
        yield [one, two, one, two, half]
        yield [half, two]

    monkeypatch.setattr(docker_logs, "carried", twice)
    got = [batch async for batch in docker_logs.log_frames(container, LogPosition(), follow=False)]
    assert b"".join(frame.data for batch in got for frame in batch) == b"one\ntwo\nth"


async def test_docker_at_the_end_misses_nothing_when_it_comes_again(near_host: NearHost, container: Container) -> None:
    near_host.log.append(b"before\n", at=1.0)
    reading = docker_logs.Reading(
        await in_thread(lambda: Container.objects.select_related("host").get()), LogPosition(tail=0)
    )
    following = reading.batches(None, follow=True)
    coming = asyncio.ensure_future(anext(following))
    await asyncio.sleep(0.3)
    await in_thread(near_host.stop)
    near_host.log.append(b"between\n", at=2.0)
    await in_thread(near_host.start)
    assert [frame.data for frame in await coming] == [b"between\n"]
    await following.aclose()
