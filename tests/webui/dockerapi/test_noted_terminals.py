"""Terminals that docker opens are in the audit log, and recorded where the team wants it."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.dockerapi.asked import ask
from tests.webui.dockerapi.played import Session, created, taken
from tests.webui.streams.fake_host import FakeHost, refused
from webui.accounts.models import Membership, Role, Team
from webui.audit.models import AuditEntry
from webui.containers.models import Container
from webui.live.loop import in_thread
from webui.recordings.models import Recording
from worker.contract import sessions

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def recorded(container: Container) -> Container:
    """A container whose team records all terminals."""
    Team.objects.filter(pk=container.team_id).update(record_terminals="always")
    return container


async def test_terminals_are_written_down_and_recordings_end(
    fake_host: FakeHost, teammate: Caller, recorded: Container
) -> None:
    """As those of pages: also of one whose program is not there."""
    exec_id = await created(teammate, User="12")
    async with taken(f"/v1.43/exec/{exec_id}/start", teammate, {}) as client:
        await client.head()
        session = await Session.asked_for(fake_host)
        await session.refuse("invalid_argument", "not found", {"exit_code": 127})
        await client.next()
        await client.end()

    def found() -> tuple[AuditEntry, Recording]:
        return AuditEntry.objects.get(action="container.exec"), Recording.objects.get()

    entry, recording = await in_thread(found)
    assert (entry.actor_name, entry.door, entry.object_id) == ("teammate", "docker", recorded.pk)
    assert entry.after == {"command": ["sh"], "user": "12", "recording": str(recording.pk)}
    assert recording.ended_at is not None
    assert recording.exit_code == 127


async def test_an_attach_that_is_tried_again_is_one_recording(
    fake_host: FakeHost, teammate: Caller, recorded: Container
) -> None:
    """The site takes it for one that runs, and the host knows better."""
    async with taken(f"/v1.43/containers/{CONTAINER_ID}/attach?stream=1&stdout=1", teammate) as client:
        first = await Session.asked_for(fake_host)
        await first.refuse("conflict", "it does not run")
        second = await Session.asked_for(fake_host)
        await second.send(sessions.OPENED, {"run": 1, "tty": False, "ahead": True})
        await client.head()
        await second.say(b"said")
        await client.next()
        await second.send(sessions.END, {"exit_code": 0})
        await client.next()
        await client.communicator.send_input({"type": "hijack.disconnect"})
        await client.end()
    recording = await in_thread(Recording.objects.get)
    assert recording.ended_at is not None
    assert "said" in recording.path.read_text()
    assert await in_thread(AuditEntry.objects.filter(action="container.attach").count) == 1


async def test_sizes_of_an_exec_are_in_its_recording(
    fake_host: FakeHost, teammate: Caller, recorded: Container
) -> None:
    exec_id = await created(teammate, Tty=True, AttachStdin=True)
    resize = f"/v1.43/exec/{exec_id}/resize?h=31&w=101"
    assert (await ask("POST", resize, teammate)).status == 409
    async with taken(f"/v1.43/exec/{exec_id}/start", teammate, {"Tty": True}) as client:
        await client.head()
        session = await Session.asked_for(fake_host)
        await session.send(sessions.OPENED, {"exec": "e1"})
        await session.say(b"$ ")
        await client.next()
        assert (await ask("POST", resize, teammate)).status == 200
        assert json.loads((await session.heard(sessions.RESIZE)).data) == {"rows": 31, "columns": 101}
        recording = await in_thread(Recording.objects.get)
        assert [*json.loads(recording.path.read_text().splitlines()[-1])[1:]] == ["r", "101x31"]
        await session.send(sessions.END, {"exit_code": 0})


async def test_a_size_alone_is_no_recording(fake_host: FakeHost, teammate: Caller, recorded: Container) -> None:
    asking = asyncio.create_task(ask("POST", "/v1.43/containers/web/resize?h=40&w=120", teammate))
    session = await Session.asked_for(fake_host)
    await session.send(sessions.OPENED, {"run": 1, "tty": True})
    assert (await asking).status == 200
    assert await in_thread(Recording.objects.count) == 0


async def test_who_may_not_attach_by_a_websocket_is_written_down(
    site_broker: Valkey, teammate: Caller, container: Container
) -> None:
    await in_thread(Membership.objects.filter(user=teammate.user).update, role=Role.VIEWER)
    assert await refused(f"/v1.43/containers/{CONTAINER_ID}/attach/ws?stream=1", teammate.headers) == 403
    entry = await in_thread(AuditEntry.objects.get, result="refused")
    assert (entry.door, entry.actor_name) == ("docker", "teammate")
