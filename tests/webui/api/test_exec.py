"""Exec over REST against a host that is played: what is written down, recorded, lent and taken away."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from django.db import OperationalError
from django.utils import timezone

from tests.support.processes import PATIENCE_SECONDS
from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.dockerapi.asked import Answered, ask
from tests.webui.dockerapi.played import Session
from tests.webui.streams.fake_host import FakeHost
from webui.accounts.membership import member_remove
from webui.accounts.models import Membership, Role, Team
from webui.activity.models import Event
from webui.api.exec_answers import OUTPUT_BYTES, Collected
from webui.audit.models import AuditEntry
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.live import host_session
from webui.live.loop import in_thread
from webui.recordings.models import Recording
from worker.contract import sessions

pytestmark = pytest.mark.django_db(transaction=True)

PATH = f"/api/v1/containers/{CONTAINER_ID}/exec/"
EXEC_ID = "5e" * 32


def asking(caller: Caller, **wishes: Any) -> asyncio.Task[Answered]:
    return asyncio.create_task(ask("POST", PATH, caller, {"command": ["sh"], **wishes}))


async def test_it_is_written_down_and_recorded_as_at_any_door(
    fake_host: FakeHost, teammate: Caller, container: Container
) -> None:
    await in_thread(Team.objects.filter(pk=container.team_id).update, record_terminals="always")
    task = asking(teammate, user="12", env={"A": "1"})
    session = await Session.asked_for(fake_host)
    said = await session.parameters()
    assert (said["command"], said["user"], said["env"], said["bound"]) == (["sh"], "12", {"A": "1"}, True)
    await session.send(sessions.OPENED, {"exec": EXEC_ID})
    await session.say(b"printed\n")
    await session.send(sessions.END, {"exit_code": 3})
    answer = await task
    assert (answer.status, answer.json["exit_code"], answer.json["stdout"]) == (200, 3, "printed\n")
    assert answer.headers["cache-control"] == "no-store"

    def found() -> tuple[AuditEntry, Recording]:
        return AuditEntry.objects.get(action="container.exec"), Recording.objects.get()

    entry, recording = await in_thread(found)
    assert (entry.actor_name, entry.door, entry.object_id) == ("teammate", "rest", container.pk)
    assert entry.after == {"command": ["sh"], "user": "12", "recording": str(recording.pk)}
    assert (recording.exit_code, recording.ended_at is not None) == (3, True)
    assert "printed" in recording.path.read_text()


async def test_who_loses_the_right_loses_the_process(
    fake_host: FakeHost, owner: Caller, teammate: Caller, container: Container
) -> None:
    task = asking(teammate)
    session = await Session.asked_for(fake_host)
    await session.send(sessions.OPENED, {"exec": EXEC_ID})
    await asyncio.sleep(0.2)  # it listens for changes of rights by now
    membership = await in_thread(Membership.objects.get, user=teammate.user)
    await in_thread(member_remove, user=owner.user, membership=membership)
    assert (await task).status == 403
    await session.heard(sessions.CLOSE)


async def test_what_a_slow_host_may_still_begin_is_not_begun_again(
    fake_host: FakeHost, owner: Caller, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_session, "OPENED_SECONDS", 0.2)
    wish, key = {"command": ["sh"], "detach": True}, {"Idempotency-Key": "once"}
    answer = await ask("POST", PATH, owner, wish, **key)
    assert (answer.status, "does not answer" in answer.json["detail"]) == (503, True)
    session = await Session.asked_for(fake_host)
    await session.heard(sessions.CLOSE)  # nobody would ever hear of it
    assert (await ask("POST", PATH, owner, wish, **key)).status == 409


async def test_without_a_database_the_process_ends_all_the_same(
    fake_host: FakeHost, owner: Caller, teammate: Caller, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of its recording can't be noted then."""

    def down(*_: Any) -> None:
        raise OperationalError("the database is down")

    monkeypatch.setattr(host_session, "recording_end", down)
    await in_thread(Team.objects.filter(pk=container.team_id).update, record_terminals="always")
    task = asking(teammate)
    session = await Session.asked_for(fake_host)
    await session.send(sessions.OPENED, {"exec": EXEC_ID})
    await asyncio.sleep(0.2)  # it listens for changes of rights by now
    membership = await in_thread(Membership.objects.get, user=teammate.user)
    await in_thread(member_remove, user=owner.user, membership=membership)
    await session.heard(sessions.CLOSE)
    task.cancel()  # it would wait a minute for the host's last word
    await asyncio.gather(task, return_exceptions=True)


async def test_a_privileged_one_needs_the_right_to_loosen(teammate: Caller, container: Container) -> None:
    answer = await ask("POST", PATH, teammate, {"command": ["sh"], "privileged": True})
    assert (answer.status, list(answer.json["errors"])) == (403, ["privileged"])


async def test_a_viewer_runs_nothing(fake_host: FakeHost, teammate: Caller, container: Container) -> None:
    await in_thread(Membership.objects.filter(user=teammate.user).update, role=Role.VIEWER)
    assert (await ask("POST", PATH, teammate, {"command": ["sh"]})).status == 403
    entry = await in_thread(AuditEntry.objects.get, result="refused")
    assert (entry.door, entry.actor_name) == ("rest", "teammate")


async def test_a_detached_one_is_left_once_its_start_is_known(
    fake_host: FakeHost, teammate: Caller, container: Container
) -> None:
    task = asking(teammate, detach=True)
    session = await Session.asked_for(fake_host)
    assert (await session.parameters())["detached"] is True
    told = {"host": container.host, "team": container.team, "at": timezone.now(), "container_id": container.pk}
    begun = Event(**told, seq=1, type="container", verb="exec_start", action="exec_start: sh", actor_id=container.pk)
    begun.attributes = {"execID": EXEC_ID}
    await in_thread(begun.save)
    await session.send(sessions.OPENED, {"exec": EXEC_ID})
    answer = await asyncio.wait_for(task, PATIENCE_SECONDS)
    assert (answer.status, answer.json["exec"]["id"]) == (202, EXEC_ID)
    await session.heard(sessions.LEAVE)
    await in_thread(Host.objects.update, heartbeat_at=None)
    found = await ask("GET", answer.json["exec"]["url"], teammate)
    assert (found.status, found.json["running"], found.json["host_pid"]) == (200, True, None)
    await in_thread(Container.objects.update, observed_status="stopped")  # and its end was never told
    assert (await ask("GET", answer.json["exec"]["url"], teammate)).json["running"] is False


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"x" * OUTPUT_BYTES, ("x" * OUTPUT_BYTES, "utf-8", False)),
        (b"x" * (OUTPUT_BYTES - 1) + "ü".encode(), ("x" * (OUTPUT_BYTES - 1), "utf-8", True)),
        (b"\xc3", ("ww==", "base64", False)),
        (b"\xff" + b"x" * 2, ("/3h4", "base64", False)),
    ],
)
def test_a_stream_is_text_as_far_as_it_is_whole(data: bytes, said: tuple[str, str, bool]) -> None:
    collected = Collected()
    for start in range(0, len(data), 65_536):
        collected.add(data[start : start + 65_536])
    found = collected.as_json("stdout")
    assert (found["stdout"], found["stdout_encoding"], found["stdout_truncated"]) == said
