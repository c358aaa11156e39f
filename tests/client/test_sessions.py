"""Bytes to and from a process: in order, all of them, over connections that break."""

from __future__ import annotations

import asyncio
import itertools
import struct
import threading
import time
from typing import Any

import pytest
from websockets.protocol import State

import client.session
from client import NotFound, Portside, Unavailable
from client.session import STDERR, STDOUT
from tests.client.fake_site import Connection, FakeSite
from tests.support.processes import eventually
from worker.contract.sessions import INPUT_WINDOW_BYTES

ID = "c" * 64


def output(channel: int, cursor: int, data: bytes) -> bytes:
    return struct.pack(">BQ", channel, cursor) + data


def test_a_command_says_what_it_says_and_how_it_ends(fake_site: FakeSite, site: Portside) -> None:
    heard: list[Any] = []

    async def exec(connection: Connection) -> None:
        heard.append(await connection.hear())
        await connection.say(type="opened", session="s")
        while (message := await connection.hear()) != {"type": "eof"}:
            heard.append(message)
        await connection.give(output(STDOUT, 3, b"out"))
        await connection.give(output(STDERR, 6, b"err"))
        heard.append(await connection.hear())
        heard.append(await connection.hear())
        await connection.say(type="end", exit_code=3)
        await connection.hear()

    fake_site.sockets[f"/ws/containers/{ID}/exec/"] = exec
    with site.exec(ID, ["cat"], stdin=True, user=None) as session:
        session.send(b"typed")
        session.eof()
        assert list(session) == [(STDOUT, b"out"), (STDERR, b"err")]
        assert session.exit_code == 3
    assert heard[0] == {"type": "open", "command": ["cat"], "stdin": True}
    assert heard[1] == b"typed"
    assert heard[2:] == [{"type": "taken", "bytes": 3}, {"type": "taken", "bytes": 6}]


def test_a_broken_connection_goes_on_where_it_was(fake_site: FakeSite, site: Portside) -> None:
    firsts: list[Any] = []
    got = bytearray()

    async def exec(connection: Connection) -> None:
        firsts.append(await connection.hear())
        await connection.say(type="opened", session="s")
        if len(firsts) == 1:
            await connection.give(output(STDOUT, 5, b"hello"))
            while len(got) < 6:
                message = await connection.hear()
                got.extend(message if isinstance(message, bytes) else b"")
            await connection.say(type="confirmed", bytes=4)
            await connection.close(1013)
            return
        again = bytearray()
        while again != b"56":
            message = await connection.hear()
            again.extend(message if isinstance(message, bytes) else b"")
        await connection.give(output(STDOUT, 11, b" world"))
        await connection.say(type="end", exit_code=0)
        await connection.hear()

    fake_site.sockets[f"/ws/containers/{ID}/exec/"] = exec
    with site.exec(ID, ["cat"]) as session:
        session.send(b"123456")
        assert b"".join(data for _, data in session) == b"hello world"
    assert firsts[1] == {"type": "join", "session": "s", "taken": 5, "sent": 4}


def test_no_more_input_is_on_its_way_than_the_site_has_room_for(fake_site: FakeSite, site: Portside) -> None:
    """It would stand before the `taken` that gets a process which waits for its reader to go on."""
    ahead: list[int] = [0]

    async def exec(connection: Connection) -> None:
        await connection.hear()
        await connection.say(type="opened", session="s")
        got = 0
        while got < 2 * INPUT_WINDOW_BYTES:
            try:
                message = await asyncio.wait_for(connection.hear(), 1)
            except TimeoutError:  # it waits to be told
                ahead.append(got)
                await connection.say(type="confirmed", bytes=got)
                continue
            got += len(message)
        await connection.say(type="end", exit_code=0)
        await connection.hear()

    fake_site.sockets[f"/ws/containers/{ID}/exec/"] = exec
    with site.exec(ID, ["cat"], stdin=True) as session:
        sending = threading.Thread(target=session.send, args=(bytes(2 * INPUT_WINDOW_BYTES + 1),), daemon=True)
        sending.start()
        assert list(session) == []
        sending.join()
    assert len(ahead) > 1
    assert max(later - before for before, later in itertools.pairwise(ahead)) <= INPUT_WINDOW_BYTES


def test_what_is_refused_is_an_error(fake_site: FakeSite, site: Portside) -> None:
    async def exec(connection: Connection) -> None:
        await connection.hear()
        await connection.say(type="error", error={"family": "not_found", "message": "no such program"})
        await connection.close()

    fake_site.sockets[f"/ws/containers/{ID}/exec/"] = exec
    with site.exec(ID, ["nothing"]) as session, pytest.raises(NotFound, match="no such program"):
        list(session)
    with pytest.raises(NotFound):
        site.exec("d" * 64, ["sh"])


def test_what_is_refused_at_once_is_an_error_too(
    fake_site: FakeSite, site: Portside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The site says so and hangs up before it has heard anything, as where the host is away."""

    async def exec(connection: Connection) -> None:
        await connection.say(type="error", error={"family": "unavailable", "message": "the host b does not answer"})
        await connection.close(1013)

    fake_site.sockets[f"/ws/containers/{ID}/exec/"] = exec
    opened = client.session.opened

    def slowly(*arguments: Any) -> Any:
        connection = opened(*arguments)
        while connection.state is State.OPEN:
            time.sleep(0.01)
        return connection

    monkeypatch.setattr(client.session, "opened", slowly)
    with site.exec(ID, ["sh"]) as session, pytest.raises(Unavailable, match="the host b does not answer"):
        list(session)


def test_a_session_that_never_began_is_not_tried_again(fake_site: FakeSite, site: Portside) -> None:
    """Its process may run already: a second `open` would be a second process."""
    opened: list[Any] = []

    async def exec(connection: Connection) -> None:
        opened.append(await connection.hear())
        await connection.close(1013)

    fake_site.sockets[f"/ws/containers/{ID}/exec/"] = exec
    with site.exec(ID, ["sh"]) as session, pytest.raises(Unavailable):
        list(session)
    assert len(opened) == 1


def test_who_leaves_says_so_and_sizes_are_told(fake_site: FakeSite, site: Portside) -> None:
    heard: list[Any] = []

    async def attach(connection: Connection) -> None:
        heard.append(await connection.hear())
        await connection.say(type="opened", session="s")
        await connection.say(type="attached", run=1, tty=True)
        await connection.give(output(STDOUT, 1, b"$"))
        while (message := await connection.hear()) is not None:
            heard.append(message)

    fake_site.sockets[f"/ws/containers/{ID}/attach/"] = attach
    with site.attach(ID, ahead=True, stdin=True, rows=24, columns=80) as session:
        parts = iter(session)
        assert next(parts) == (STDOUT, b"$")
        assert session.is_attached.is_set()
        session.resize(30, 90)
    wanted = [{"type": "resize", "rows": 30, "columns": 90}, {"type": "close"}]
    eventually(lambda: [one for one in heard[1:] if one["type"] != "taken"] == wanted, what="a resize and a goodbye")
    assert heard[0] == {"type": "open", "ahead": True, "stdin": True, "rows": 24, "columns": 80}
    assert session.exit_code is None
