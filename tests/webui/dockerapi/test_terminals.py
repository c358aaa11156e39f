"""Attach and exec on connections that are taken over, against a host that is played."""

from __future__ import annotations

import asyncio
import json

import pytest
from django.utils import timezone

from tests.support.processes import PATIENCE_SECONDS
from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.dockerapi.asked import ask
from tests.webui.dockerapi.played import Session, created, piece, taken
from tests.webui.streams.fake_host import FakeHost, handshake, refused
from webui.accounts.models import Membership, Role
from webui.activity.models import Event
from webui.audit.models import AuditEntry
from webui.containers.models import Container
from webui.dockerapi import door, escaping
from webui.live.loop import in_thread
from webui.policies.models import TeamPolicy
from worker.contract import sessions
from worker.contract.frames import Frame

pytestmark = pytest.mark.django_db(transaction=True)

ATTACH = f"/v1.43/containers/{CONTAINER_ID}/attach?stream=1&stdin=1&stdout=1&stderr=1"


async def test_attach_carries_both_ways_and_ends(fake_host: FakeHost, teammate: Caller, container: Container) -> None:
    async with taken(ATTACH, teammate) as client:
        session = await Session.asked_for(fake_host)
        assert (session.source, (await session.parameters())["ahead"]) == ("attach", False)
        await session.send(sessions.OPENED, {"run": 1, "tty": False})
        head = await client.head()
        assert head.startswith("HTTP/1.1 101 UPGRADED\r\nContent-Type: application/vnd.docker.multiplexed-stream\r\n")
        await session.say(b"out")
        await session.say(b"err", sessions.STDERR)
        assert (await client.next())["data"] == piece(1, b"out")
        assert (await client.next())["data"] == piece(2, b"err")
        await client.say(b"typed")
        assert (await session.heard(sessions.DATA)).data == b"typed"
        await session.send(sessions.END, {"exit_code": 0})
        assert await client.next() == {"type": "hijack.eof"}
        await client.communicator.send_input({"type": "hijack.disconnect"})
        await client.end()


async def test_who_does_not_run_is_attached_to_ahead(fake_host: FakeHost, owner: Caller, container: Container) -> None:
    spec = {**container.spec, "tty": True}
    await in_thread(Container.objects.filter(pk=container.pk).update, observed_status="created", spec=spec)
    async with taken(ATTACH, owner, upgrade=False) as client:
        session = await Session.asked_for(fake_host)
        assert (await session.parameters())["ahead"] is True
        await session.send(sessions.OPENED, {"run": 1, "tty": True, "ahead": True})
        assert (await client.head()).startswith(
            "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n"
        )
        await session.say(b"$ ")
        assert (await client.next())["data"] == b"$ "  # a terminal's output is as it is
        resized = await ask("POST", "/v1.43/containers/web/resize?h=40&w=120", owner)
        assert resized.status == 200
        assert json.loads((await session.heard(sessions.RESIZE)).data) == {"rows": 40, "columns": 120}
        await client.say(b"ls\x10\x11rest")
        await session.heard(sessions.CLOSE)  # the container runs on
        assert (await session.heard(sessions.DATA)).data == b"ls"
        await client.end()


async def test_who_has_said_all_before_the_start_leaves_when_it_has_arrived(
    fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    """`docker start -ai` with a pipe: what is piped in is there before the program is."""
    spec = {**container.spec, "stdin_open": True}
    await in_thread(Container.objects.filter(pk=container.pk).update, observed_status="created", spec=spec)
    async with taken(ATTACH, owner) as client:
        session = await Session.asked_for(fake_host)
        await session.send(sessions.OPENED, {"run": 1, "tty": False, "ahead": True, "stdin": True})
        await client.head()
        await client.say(b"all")
        await client.say(b"")
        await session.heard(sessions.DATA)
        await session.say(b"out")
        assert (await client.next())["data"] == piece(1, b"out"), "it has not left yet"
        with pytest.raises(AssertionError):
            await session.heard(sessions.CLOSE, seconds=0.3)
        await fake_host.send(session.id, Frame(sessions.CREDIT, 0, len(b"all"), 1.0, b""))
        await session.heard(sessions.CLOSE)
        await client.end()


@pytest.mark.parametrize("takes_input", [True, False])
async def test_who_is_gone_does_not_wait_for_a_start(
    fake_host: FakeHost, owner: Caller, container: Container, takes_input: bool
) -> None:
    await in_thread(Container.objects.filter(pk=container.pk).update, observed_status="created")
    async with taken(ATTACH, owner) as client:
        session = await Session.asked_for(fake_host)
        await session.send(sessions.OPENED, {"run": 1, "tty": False, "ahead": True, "stdin": takes_input})
        await client.head()
        await client.say(b"all")
        await client.say(b"")
        if takes_input:
            await session.heard(sessions.DATA)
            await client.communicator.send_input({"type": "hijack.disconnect"})
        await session.heard(sessions.CLOSE)
        await client.end()


@pytest.mark.parametrize(
    ("status", "tty", "said"),
    [("paused", False, "is paused, unpause the container before attach"), ("restarting", False, "is restarting")],
)
async def test_attach_is_refused_like_any_request(
    owner: Caller, container: Container, status: str, tty: bool, said: str
) -> None:
    await in_thread(Container.objects.filter(pk=container.pk).update, observed_status=status)
    async with taken(ATTACH, owner) as client:
        head = await client.head()
        assert head.startswith("HTTP/1.1 409 Conflict\r\n")
        assert said in head
        await client.end()


async def test_nobody_else_attaches_by_a_known_id(
    outsider: Caller, nobody: Caller, owner: Caller, container: Container
) -> None:
    for caller, status in ((outsider, "404"), (nobody, "401")):
        async with taken(ATTACH, caller) as client:
            assert (await client.head()).startswith(f"HTTP/1.1 {status}")
    await in_thread(Membership.objects.filter(user=owner.user).update, role=Role.VIEWER)
    async with taken(ATTACH, owner) as client:
        assert (await client.head()).startswith("HTTP/1.1 403")
    created = await ask("POST", "/v1.43/containers/web/exec", owner, {"Cmd": ["sh"]})
    assert created.status == 403


async def test_who_loses_the_right_loses_the_stream(
    fake_host: FakeHost, owner: Caller, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "AGAIN_SECONDS", 0.05)
    async with taken(ATTACH, owner) as client:
        session = await Session.asked_for(fake_host)
        await session.send(sessions.OPENED, {"run": 1, "tty": False})
        await client.head()
        await in_thread(Membership.objects.filter(user=owner.user).update, role=Role.VIEWER)
        await session.heard(sessions.CLOSE)
        await client.end()


async def test_an_exec_from_its_creation_to_its_end(
    fake_host: FakeHost, teammate: Caller, container: Container
) -> None:
    exec_id = await created(teammate, AttachStdin=True, Env=["SECRET=s3"], User="12")
    before = (await ask("GET", f"/v1.43/exec/{exec_id}/json", teammate)).json
    assert (before["Running"], before["ExitCode"], before["ContainerID"]) == (False, None, container.pk)
    async with taken(f"/v1.43/exec/{exec_id}/start", teammate, {"Detach": False, "Tty": False}) as client:
        await client.head()
        session = await Session.asked_for(fake_host)
        wish = await session.parameters()
        assert (wish["command"], wish["env"], wish["user"], wish["stdin"]) == (["sh"], {"SECRET": "s3"}, "12", True)
        await session.send(sessions.OPENED, {"exec": "e1"})
        await session.say(b"hello")
        assert (await client.next())["data"] == piece(1, b"hello")
        during = (await ask("GET", f"/v1.43/exec/{exec_id}/json", teammate)).json
        assert (during["Running"], "s3" in json.dumps(during)) == (True, False)
        shown = (await ask("GET", "/v1.43/containers/web/json", teammate)).json
        assert shown["ExecIDs"] == [exec_id]
        await client.say(b"")
        await session.heard(sessions.END)
        await session.send(sessions.END, {"exit_code": 4})
        assert await client.next() == {"type": "hijack.eof"}  # by then its end is known
        after = (await ask("GET", f"/v1.43/exec/{exec_id}/json", teammate)).json
        assert (after["Running"], after["ExitCode"]) == (False, 4)
    async with taken(f"/v1.43/exec/{exec_id}/start", teammate, {}) as client:
        assert "has already run" in await client.head()


async def test_a_variable_that_the_client_has_no_value_of_is_taken_away(
    fake_host: FakeHost, teammate: Caller, container: Container
) -> None:
    exec_id = await created(teammate, Env=["A=1", "EMPTY=", "GONE", "A", "B", "B=2"])
    asking = asyncio.create_task(ask("POST", f"/v1.43/exec/{exec_id}/start", teammate, {"Detach": True}))
    session = await Session.asked_for(fake_host)
    wish = await session.parameters()
    assert (wish["env"], wish["unset"]) == ({"EMPTY": "", "B": "2"}, ["A", "GONE"])
    await session.send(sessions.OPENED, {"exec": "e1"})
    assert (await asking).status == 200
    with_none = await ask("POST", "/v1.43/containers/web/exec", teammate, {"Cmd": ["sh"], "Env": [""]})
    assert (with_none.status, "can't be a variable's name" in with_none.message) == (400, True)


async def test_a_program_that_is_not_there(fake_host: FakeHost, teammate: Caller, container: Container) -> None:
    exec_id = await created(teammate)
    async with taken(f"/v1.43/exec/{exec_id}/start", teammate, {}) as client:
        await client.head()
        session = await Session.asked_for(fake_host)
        await session.refuse("invalid_argument", 'exec: "sh": executable file not found in $PATH', {"exit_code": 127})
        assert b"executable file not found in $PATH" in (await client.next())["data"]
        await client.end()
    assert (await ask("GET", f"/v1.43/exec/{exec_id}/json", teammate)).json["ExitCode"] == 127


async def test_an_exec_can_be_started_after_a_start_that_could_not_be(
    fake_host: FakeHost, teammate: Caller, container: Container
) -> None:
    exec_id = await created(teammate)
    path = f"/v1.43/exec/{exec_id}/start"
    for body in ({"ConsoleSize": [1]}, {"Detach": 7}, {}):  # the last: on a connection that can't be taken over
        assert (await ask("POST", path, teammate, body)).status == 400
    asking = asyncio.create_task(ask("POST", path, teammate, {"Detach": True}))
    session = await Session.asked_for(fake_host)
    await session.send(sessions.OPENED, {"exec": "e3"})
    assert (await asking).status == 200
    assert (await ask("POST", path, teammate, {"Detach": True})).status == 409


async def test_a_detached_exec_is_left_alone(fake_host: FakeHost, teammate: Caller, container: Container) -> None:
    exec_id = await created(teammate)
    asking = asyncio.create_task(ask("POST", f"/v1.43/exec/{exec_id}/start", teammate, {"Detach": True}))
    session = await Session.asked_for(fake_host)
    assert (await session.parameters())["detached"] is True
    await session.send(sessions.OPENED, {"exec": "e2"})
    assert (await asking).status == 200
    await session.heard(sessions.LEAVE)
    assert (await ask("GET", f"/v1.43/exec/{exec_id}/json", teammate)).json["Running"] is True


async def test_the_end_of_a_detached_exec_is_found_behind_many_others(
    fake_host: FakeHost, teammate: Caller, container: Container
) -> None:
    exec_id = await created(teammate)
    asking = asyncio.create_task(ask("POST", f"/v1.43/exec/{exec_id}/start", teammate, {"Detach": True}))
    session = await Session.asked_for(fake_host)
    await session.send(sessions.OPENED, {"exec": "ours"})
    assert (await asking).status == 200

    def end() -> None:
        ends = [("ours", "7"), *((f"other{number}", "0") for number in range(250))]
        Event.objects.bulk_create(
            Event(
                host=container.host, team=container.team, seq=number, at=timezone.now(), type="container",
                verb="exec_die", action="exec_die", actor_id=container.pk, container_id=container.pk,
                attributes={"execID": name, "exitCode": code},
            )
            for number, (name, code) in enumerate(ends, 1)
        )  # fmt: skip

    await in_thread(end)
    found = (await ask("GET", f"/v1.43/exec/{exec_id}/json", teammate)).json
    assert (found["Running"], found["ExitCode"]) == (False, 7)


async def test_a_privileged_exec_needs_the_right_to_loosen(
    fake_host: FakeHost, owner: Caller, teammate: Caller, container: Container
) -> None:
    """Also to start what somebody has made who may."""
    wish = {"Cmd": ["sh"], "Privileged": True}
    assert (await ask("POST", "/v1.43/containers/web/exec", owner, wish)).status == 403
    policy = await in_thread(TeamPolicy.objects.create, team=container.team, privileged=True)
    exec_id = await created(teammate, Privileged=True)
    await in_thread(policy.delete)
    assert (await ask("POST", f"/v1.43/exec/{exec_id}/start", teammate, {"Detach": True})).status == 403


async def test_execs_of_others_are_not_there(
    fake_host: FakeHost, outsider: Caller, owner: Caller, container: Container
) -> None:
    exec_id = await created(owner)
    assert (await ask("GET", f"/v1.43/exec/{exec_id}/json", outsider)).status == 404
    assert (await ask("GET", f"/v1.43/exec/{exec_id}0/json", owner)).status == 404
    unknown = await ask("GET", "/v1.43/exec/nothing/json", owner)
    assert (unknown.status, unknown.message) == (404, "No such exec instance: nothing")
    for body, said in (({}, "No exec command specified"), ({"Cmd": ["a"], "DetachKeys": "ctrl-1"}, "detach keys")):
        refused = await ask("POST", "/v1.43/containers/web/exec", owner, body)
        assert (refused.status, said in refused.message) == (400, True)


def test_keys_to_leave_by() -> None:
    assert escaping.keys("") == b"\x10\x11"
    assert escaping.keys("ctrl-a,ctrl-[,x") == b"\x01\x1bx"
    escape = escaping.Escape(b"\x10\x11")
    assert escape.pass_on(b"a\x10") == (b"a", False)
    assert escape.pass_on(b"b") == (b"\x10b", False)
    assert escape.pass_on(b"c\x10\x10") == (b"c\x10", False)
    assert escape.pass_on(b"\x11d") == (b"", True)


async def test_attach_by_a_websocket(
    fake_host: FakeHost, teammate: Caller, outsider: Caller, nobody: Caller, container: Container
) -> None:
    path = f"/v1.43/containers/{CONTAINER_ID}/attach/ws?stream=1&stdin=1&stdout=1"
    for caller, status in ((nobody, 401), (outsider, 404)):
        assert await refused(path, caller.headers) == status
    communicator = handshake(path, {**teammate.headers, "User-Agent": "tester"})
    await communicator.send_input({"type": "websocket.connect"})
    session = await Session.asked_for(fake_host)
    await session.send(sessions.OPENED, {"run": 1, "tty": False})
    assert (await communicator.receive_output(PATIENCE_SECONDS))["type"] == "websocket.accept"
    await session.say(b"err", sessions.STDERR)  # which this one has not asked for
    await session.say(b"out")
    assert (await communicator.receive_output(PATIENCE_SECONDS))["bytes"] == b"out"
    await communicator.send_input({"type": "websocket.receive", "text": "typed"})
    assert (await session.heard(sessions.DATA)).data == b"typed"
    await communicator.send_input({"type": "websocket.disconnect", "code": 1000})
    await session.heard(sessions.CLOSE)
    await communicator.wait(PATIENCE_SECONDS)
    entry = await in_thread(AuditEntry.objects.get, action="container.attach")
    assert (entry.door, entry.actor_name, entry.agent) == ("docker", "teammate", "tester")
