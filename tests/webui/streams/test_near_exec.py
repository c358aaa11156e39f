"""Sessions of a host that shares the site's home: by its socket, with nothing of them at the broker."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import eventually
from tests.support.valkey import Valkey
from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.site_broker import HOST_ID
from tests.webui.streams.fake_host import FakeHost, Opened, opened
from tests.worker.test_sessions import Program
from webui.accounts.models import Membership, Role
from webui.containers.models import Container
from webui.links import shared_home
from webui.live.host_session import HostSession
from webui.live.loop import in_thread
from webui.streams.exec import ExecSocket
from worker.contract.near import SESSIONS_SOCKET
from worker.sessions.near import NearSessions
from worker.sessions.server import SessionServer
from worker.threads import Threads

pytestmark = pytest.mark.django_db(transaction=True)

PATH = f"/ws/containers/{CONTAINER_ID}/exec/"


class NearHost:
    def __init__(self, home: Path, broker: Valkey) -> None:
        self.home = home
        self.opened: list[Program] = []
        (home / "run").mkdir()
        (home / "host-id").write_text(f"{HOST_ID}\n")
        threads = Threads("session")
        self.server = SessionServer(broker.client(), broker.client, {"exec": self._open}, threads=threads)
        self.way = NearSessions(home / "run" / SESSIONS_SOCKET, self.server.open_near, self.server.join_near, threads)
        self.way.start()

    def _open(self, _: str, parameters: Mapping[str, Any]) -> Program:
        self.opened.append(Program(parameters))
        return self.opened[-1]

    def die(self) -> None:
        """As a worker that is killed: all its connections end."""
        self.way.stop()
        for carrier in list(self.server._running.values()):
            carrier._drop()  # type: ignore[attr-defined]

    def close(self) -> None:
        self.way.stop()
        for program in self.opened:
            program.process.kill()
        eventually(lambda: not self.server._running, what="the end of all sessions")


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
        await asyncio.to_thread(made.close)


class Page:
    """What a page has of one session."""

    def __init__(self, socket: Opened) -> None:
        self.socket = socket
        self.output = b""
        self.confirmed = 0
        self.said: list[dict[str, Any]] = []

    async def say(self, **message: Any) -> None:
        await self.socket.communicator.send_input({"type": "websocket.receive", "text": json.dumps(message)})

    async def type(self, data: bytes) -> None:
        await self.socket.communicator.send_input({"type": "websocket.receive", "bytes": data})

    async def hear(self) -> dict[str, Any]:
        """What comes next; of output the message {"output": …}."""
        got = await self.socket.communicator.receive_output(60)
        assert got["type"] == "websocket.send", got
        if got.get("bytes") is not None:
            self.output += got["bytes"][9:]
            return {"output": got["bytes"][9:]}
        message = dict(json.loads(got["text"]))
        if message["type"] == "confirmed":
            self.confirmed = message["bytes"]
        self.said.append(message)
        return message

    async def until(self, claim: Any) -> None:
        while not claim():
            await self.hear()

    async def open(self, *command: str) -> str:
        await self.say(type="open", command=command, stdin=True)
        message = await self.hear()
        assert message["type"] == "opened", message
        return str(message["session"])

    async def end(self) -> dict[str, Any]:
        await self.until(lambda: self.said and self.said[-1]["type"] in ("end", "error"))
        return self.said[-1]


async def asked(fake_host: FakeHost) -> list[bytes]:
    """What the broker has of sessions."""
    return [key for key in await fake_host.client.keys("portside:*") if b"control" in key or b"session" in key]


async def test_a_process_is_run_without_the_broker(near_host: NearHost, fake_host: FakeHost, owner: Caller) -> None:
    async with opened(PATH, owner) as socket:
        page = Page(socket)
        await page.open("sh", "-c", "read a; echo got $a; cat; exit 3")
        await page.type(b"one\ntwo")
        await page.until(lambda: page.output == b"got one\ntwo")
        await page.until(lambda: page.confirmed == 7)
        await page.say(type="eof")
        assert await page.end() == {"type": "end", "exit_code": 3}
        assert await socket.closed() == 1000
    assert await asked(fake_host) == []


async def test_a_page_that_was_cut_off_goes_on(near_host: NearHost, owner: Caller, teammate: Caller) -> None:
    async with opened(PATH, owner) as socket:
        page = Page(socket)
        session = await page.open("sh", "-c", "echo one; read a; echo two $a; read b; echo three $b")
        await page.until(lambda: page.output == b"one\n")
        await page.say(type="taken", bytes=4)
        await page.type(b"x\n")
        await page.until(lambda: page.confirmed == 2 and page.output == b"one\ntwo x\n")
    async with opened(PATH, teammate) as socket:
        page = Page(socket)
        await page.say(type="join", session=session, taken=4, sent=2)
        assert (await page.hear())["error"]["family"] == "not_found"
    async with opened(PATH, owner) as socket:
        page = Page(socket)
        await page.say(type="join", session=session, taken=4, sent=2)
        assert (await page.hear()) == {"type": "opened", "session": session}
        await page.type(b"y\n")
        assert await page.end() == {"type": "end", "exit_code": 0}
        assert page.output == b"two x\nthree y\n"
    async with opened(PATH, owner) as socket:  # the end was lost on its way to the page
        page = Page(socket)
        await page.say(type="join", session=session, taken=10, sent=4)
        assert await page.end() == {"type": "end", "exit_code": 0}
        assert page.output == b"three y\n"


async def test_who_takes_his_time_to_begin_is_served_all_the_same(
    near_host: NearHost, owner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host has stopped waiting for a request by then."""
    monkeypatch.setattr("worker.sessions.near.HELLO_SECONDS", 0.1)
    monkeypatch.setattr("webui.links.session_near.STILL_HEARD_SECONDS", 0.05)
    async with opened(PATH, owner) as socket:
        page = Page(socket)
        await asyncio.sleep(0.3)
        await page.open("echo", "one")
        assert await page.end() == {"type": "end", "exit_code": 0}
        assert page.output == b"one\n"


async def test_who_says_nothing_leaves_nothing_at_the_host(near_host: NearHost, owner: Caller) -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    async with opened(PATH, owner):
        pass
    await asyncio.sleep(0.2)
    before = count()
    for _ in range(10):
        async with opened(PATH, owner):
            pass
    await asyncio.to_thread(eventually, lambda: count() <= before + 2, what="no connection left")
    assert near_host.opened == []


async def test_what_is_not_taken_waits_at_the_host(near_host: NearHost, owner: Caller) -> None:
    async with opened(PATH, owner) as socket:
        page = Page(socket)
        await page.open("sh", "-c", "head -c 1000000 /dev/zero")
        await page.until(lambda: len(page.output) == 256 << 10)
        await asyncio.sleep(0.3)
        assert await socket.silent(), "a window"
        while not page.said or page.said[-1]["type"] != "end":
            await page.say(type="taken", bytes=len(page.output))
            await page.hear()
        assert len(page.output) == 1_000_000


async def test_a_worker_that_dies_takes_its_sessions_with_it(near_host: NearHost, owner: Caller) -> None:
    async with opened(PATH, owner) as socket:
        page = Page(socket)
        await page.open("cat")
        await asyncio.to_thread(eventually, lambda: near_host.opened, what="the program")
        await page.type(b"x")
        await page.until(lambda: page.output == b"x")
        near_host.die()
        assert (await page.end())["error"]["family"] == "unavailable"
        assert await socket.closed() == 1013


async def test_who_loses_the_right_or_closes_ends_the_process(
    near_host: NearHost, owner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(PATH, owner) as socket:
        page = Page(socket)
        await page.open("sleep", "100")
        await page.say(type="close")
        assert await socket.closed() == 1000
    await asyncio.to_thread(eventually, lambda: near_host.opened and near_host.opened[0].is_closed, what="its end")
    monkeypatch.setattr(ExecSocket, "again_seconds", 0.1)
    async with opened(PATH, owner) as socket:
        page = Page(socket)
        await page.open("sleep", "100")
        await in_thread(Membership.objects.filter(user=owner.user).update, role=Role.VIEWER)
        assert await socket.closed() == 4401
    await asyncio.to_thread(
        eventually, lambda: len(near_host.opened) == 2 and near_host.opened[1].is_closed, what="its end"
    )


async def test_without_its_socket_the_broker_is_asked(near_host: NearHost, fake_host: FakeHost, owner: Caller) -> None:
    near_host.way.stop()
    async with opened(PATH, owner) as socket:
        page = Page(socket)
        session = await page.open("cat")
        assert (await fake_host.next_control("session.open"))["session_id"] == session
    near_host.way.start()
    async with opened(PATH, owner) as socket:
        page = Page(socket)
        await page.say(type="join", session=session, taken=0, sent=0)
        assert await page.hear() == {"type": "opened", "session": session}, "it is where it was"
        await page.say(type="close")
        assert await socket.closed() == 1000


@pytest.mark.parametrize(("door", "is_near"), [("rest", True), ("docker", False)])
async def test_an_exec_over_rest_goes_by_it_too_and_dockers_does_not(
    near_host: NearHost, fake_host: FakeHost, owner: Caller, container: Container, door: str, is_near: bool
) -> None:
    """A resize of Docker's is a request of its own, which finds its session at the broker alone."""
    session = HostSession(owner.user, container, "exec", door=door)
    opening = asyncio.ensure_future(session.open({"command": ["sh", "-c", "echo one; exit 3"]}))
    if is_near:
        await opening
        assert b"".join([frame.data async for frame in session.output()]) == b"one\n"
        assert session.result == {"exit_code": 3}
        assert await asked(fake_host) == []
    else:
        await fake_host.next_control("session.open")
        opening.cancel()
        await asyncio.wait({opening})
    await session.close()
