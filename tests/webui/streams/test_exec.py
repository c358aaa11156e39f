"""`/ws/containers/{id}/exec/` against a host that is played: whose session it is, and when it has to end."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from asgiref.sync import SyncToAsync

from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.streams.fake_host import FakeHost, Opened, opened
from webui.accounts.models import Membership, Role, User
from webui.accounts.people import user_change
from webui.audit.models import AuditEntry
from webui.containers.models import Container
from webui.live.loop import in_thread
from webui.policies.models import TeamPolicy
from webui.streams.exec import ExecSocket
from worker.contract import keys, sessions
from worker.contract.frames import Frame

pytestmark = pytest.mark.django_db(transaction=True)

PATH = f"/ws/containers/{CONTAINER_ID}/exec/"


async def say(socket: Opened, **message: Any) -> None:
    await socket.communicator.send_input({"type": "websocket.receive", "text": json.dumps(message)})


async def begin(fake_host: FakeHost, socket: Opened) -> str:
    """Open a session as a page does; its id."""
    await say(socket, type="open", command=["sh"], tty=True, rows=24, columns=80)
    asked = await fake_host.next_control("session.open")
    assert (asked["source"], asked["container_id"]) == ("exec", CONTAINER_ID)
    assert await socket.message() == {"type": "opened", "session": asked["session_id"]}
    return str(asked["session_id"])


async def typed(fake_host: FakeHost, session: str, kind: int) -> list[Frame]:
    raw = await fake_host.client.xrange(keys.session_input(session))
    return [frame for frame in (Frame.decode(fields[b"m"]) for _, fields in raw) if frame.kind == kind]


async def test_parameters_travel_on_the_sessions_own_stream(
    fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    async with opened(PATH, owner) as socket:
        await say(socket, type="open", command=["env"], env={"SECRET": "s3"}, user="12")
        asked = await fake_host.next_control("session.open")
        assert "s3" not in json.dumps(asked), "others may read the control stream, and it is kept"
        (first,) = await typed(fake_host, asked["session_id"], sessions.BEGIN)
        wish = json.loads(first.data)
        assert (wish["command"], wish["env"], wish["user"], wish["stdin"]) == (["env"], {"SECRET": "s3"}, "12", False)


async def test_a_socket_asks_the_database_twice_from_one_thread_each(
    fake_host: FakeHost, owner: Caller, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each way to a thread and back costs as much as a query: one to be let in, one for what is to run."""
    hops: list[Any] = []
    call = SyncToAsync.__call__

    def counted(self: SyncToAsync[Any, Any], *arguments: Any, **named: Any) -> Any:
        hops.append(self.func)
        return call(self, *arguments, **named)

    async with opened(PATH, owner) as other:
        await begin(fake_host, other)  # from here on rights are watched
        monkeypatch.setattr(SyncToAsync, "__call__", counted)
        async with opened(PATH, owner) as socket:
            assert len(hops) == 1, hops
            await begin(fake_host, socket)
            assert len(hops) == 2, hops
        assert len(hops) == 2, hops


async def test_pages_hear_of_it_from_the_audit_log(fake_host: FakeHost, owner: Caller, container: Container) -> None:
    async with opened("/ws/events/", owner) as events:
        assert (await events.message())["type"] == "hello"
        async with opened(PATH, owner) as socket:
            await begin(fake_host, socket)
            assert (await events.message())["kind"] == "audit"


async def test_a_session_can_be_joined_by_its_owner_alone(
    fake_host: FakeHost, owner: Caller, teammate: Caller, container: Container
) -> None:
    async with opened(PATH, owner) as socket:
        session = await begin(fake_host, socket)
    async with opened(PATH, teammate) as socket:
        await say(socket, type="join", session=session, taken=0, sent=0)
        assert (await socket.message())["error"]["family"] == "not_found"
    async with opened(PATH, owner) as socket:
        await say(socket, type="join", session=session, taken=0, sent=0)
        assert await socket.message() == {"type": "opened", "session": session}


async def test_who_leaves_an_exec_lets_it_run_on(fake_host: FakeHost, owner: Caller, container: Container) -> None:
    async with opened(PATH, owner) as socket:
        session = await begin(fake_host, socket)
        await say(socket, type="leave")
        assert (await socket.communicator.receive_output(5))["type"] == "websocket.close"
        assert len(await typed(fake_host, session, sessions.LEAVE)) == 1
        assert await typed(fake_host, session, sessions.CLOSE) == []


@pytest.mark.parametrize(("word", "kind"), [("leave", sessions.LEAVE), ("close", sessions.CLOSE)])
async def test_who_says_so_and_is_gone_at_once_is_heard(
    fake_host: FakeHost, owner: Caller, container: Container, word: str, kind: int
) -> None:
    async with opened(PATH, owner) as socket:
        session = await begin(fake_host, socket)
        await socket.communicator.send_input({"type": "websocket.receive", "bytes": b"last words"})
        await say(socket, type=word)
        await socket.communicator.send_input({"type": "websocket.disconnect", "code": 1000})
        await socket.communicator.wait(30)
    assert [frame.data for frame in await typed(fake_host, session, sessions.DATA)] == [b"last words"]
    assert await typed(fake_host, session, kind)  # twice, if the connection ended in the middle of it


async def test_who_loses_the_right_loses_the_process(
    fake_host: FakeHost, owner: Caller, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ExecSocket, "again_seconds", 0.1)
    async with opened(PATH, owner) as socket:
        session = await begin(fake_host, socket)
        await in_thread(Membership.objects.filter(user=owner.user).update, role=Role.VIEWER)
        assert await socket.closed() == 4401
        end = time.monotonic() + 60
        while not await typed(fake_host, session, sessions.CLOSE):
            assert time.monotonic() < end, "the host was not told"


async def test_who_is_locked_out_loses_it_without_waiting_for_the_next_look(
    fake_host: FakeHost, owner: Caller, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ExecSocket, "again_seconds", 3600.0)
    chief = await in_thread(User.objects.create, username="chief", is_superuser=True)
    async with opened(PATH, owner) as socket:
        await begin(fake_host, socket)
        await in_thread(user_change, user=chief, target=owner.user, active=False)
        assert await socket.closed() == 4401


async def test_a_privileged_process_needs_the_right_to_loosen(
    fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    """In the host's network, with it the host's user namespace, it would have the host."""
    async with opened(PATH, owner) as socket:
        await say(socket, type="open", command=["sh"], privileged=True)
        assert (await socket.message())["error"]["family"] == "permission_denied"
        assert await socket.closed() == 1000
    await in_thread(TeamPolicy.objects.create, team=container.team, privileged=True)
    async with opened(PATH, owner) as socket:
        await say(socket, type="open", command=["sh"], privileged=True)
        assert (await fake_host.next_control("session.open"))["source"] == "exec"
        assert (await socket.message())["type"] == "opened"
    entry = await in_thread(AuditEntry.objects.get, action="container.exec")
    assert entry.after == {"command": ["sh"], "privileged": True}


@pytest.mark.parametrize("text", ["", "[]", "{", '{"type": "open"}', '{"type": "open", "command": ["a"], "tty": 3}'])
async def test_a_senseless_beginning_is_an_error(
    fake_host: FakeHost, owner: Caller, container: Container, text: str
) -> None:
    async with opened(PATH, owner) as socket:
        await socket.communicator.send_input({"type": "websocket.receive", "text": text})
        assert (await socket.message())["error"]["family"] == "invalid_argument"
        assert await socket.closed() == 1000
