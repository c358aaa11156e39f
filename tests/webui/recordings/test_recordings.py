"""Which terminals are recorded, what is in it, who sees it, and when it goes."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.streams.fake_host import FakeHost, opened
from tests.webui.streams.test_exec import say
from webui.accounts.models import Membership, Role, Team
from webui.containers.models import Container
from webui.live.loop import in_thread
from webui.recordings.models import Recording
from webui.recordings.services import recordings_sweep
from worker.contract import frames, sessions
from worker.contract.frames import Frame

pytestmark = pytest.mark.django_db(transaction=True)

PATH = f"/ws/containers/{CONTAINER_ID}/exec/"


async def begin(fake_host: FakeHost, socket: Any, **wish: Any) -> dict[str, Any]:
    await say(socket, type="open", command=["sh", "-c", "a b"], tty=True, rows=30, columns=90, **wish)
    asked = await fake_host.next_control("session.open")
    message: dict[str, Any] = await socket.message()
    assert (message["type"], message["session"]) == ("opened", asked["session_id"])
    return message


async def shown(socket: Any) -> bytes:
    """The next piece of output."""
    answer = await socket.communicator.receive_output(60)
    data: bytes = answer["bytes"][9:]
    return data


def recording(team: Team, username: str, user: Any = None, **more: Any) -> Recording:
    made = Recording.objects.create(
        team=team, user=user, username=username, session=f"s-{username}", source="exec", container_id=CONTAINER_ID,
        container_name="web", **more,
    )  # fmt: skip
    made.path.parent.mkdir(parents=True, exist_ok=True)
    made.path.write_text('{"version": 2, "width": 80, "height": 24}\n[0.5, "o", "hello"]\n')
    return made


async def test_a_session_is_recorded_when_asked_for_and_its_user_is_told(
    fake_host: FakeHost, teammate: Caller, container: Container
) -> None:
    async with opened(PATH, teammate) as socket:
        message = await begin(fake_host, socket, record=True)
        sent = Frame(sessions.DATA, frames.STDOUT, 10, 1.0, b"$ secret\r\n")
        await fake_host.send(message["session"], sent)
        assert await shown(socket) == b"$ secret\r\n"
        await say(socket, type="resize", rows=40, columns=100)
        await socket.communicator.send_input({"type": "websocket.receive", "bytes": b"typed password"})
        end = Frame(sessions.END, 0, 0, 1.0, json.dumps({"exit_code": 3}).encode())
        more = Frame(sessions.DATA, frames.STDOUT, 15, 1.0, b"bye\r\n")
        await fake_host.send(message["session"], more, end)
        assert await shown(socket) == b"bye\r\n"
        assert (await socket.message())["type"] == "end"
    kept = await in_thread(Recording.objects.get)
    assert message["recording"] == str(kept.pk)
    assert (kept.username, kept.command, kept.container_name, kept.exit_code) == ("teammate", "sh -c 'a b'", "web", 3)
    assert kept.ended_at is not None
    text = kept.path.read_text()
    assert "password" not in text
    assert [json.loads(line)[2] for line in text.splitlines()[1:] if '"o"' in line] == ["$ secret\r\n", "bye\r\n"]


async def test_a_session_that_is_joined_again_goes_on_being_recorded(
    fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    async with opened(PATH, owner) as socket:
        message = await begin(fake_host, socket, record=True)
        await fake_host.send(message["session"], Frame(sessions.DATA, frames.STDOUT, 5, 1.0, b"one\r\n"))
        assert await shown(socket) == b"one\r\n"
    async with opened(PATH, owner) as socket:
        await say(socket, type="join", session=message["session"], taken=0, sent=0)
        assert await socket.message() == message
        assert await shown(socket) == b"one\r\n"
        await fake_host.send(message["session"], Frame(sessions.DATA, frames.STDOUT, 10, 1.0, b"two\r\n"))
        assert await shown(socket) == b"two\r\n"
    kept = await in_thread(Recording.objects.get)
    assert [json.loads(line)[2] for line in kept.path.read_text().splitlines()[1:]] == ["one\r\n", "two\r\n"]


async def test_a_team_wants_all_or_none(fake_host: FakeHost, owner: Caller, container: Container) -> None:
    async with opened(PATH, owner) as socket:
        assert "recording" not in await begin(fake_host, socket)
    await in_thread(Team.objects.filter(pk=container.team_id).update, record_terminals="always")
    async with opened(PATH, owner) as socket:
        assert "recording" in await begin(fake_host, socket)
    await in_thread(Team.objects.filter(pk=container.team_id).update, record_terminals="never")
    async with opened(PATH, owner) as socket:
        await say(socket, type="open", command=["sh"], tty=True, record=True)
        assert (await socket.message())["error"]["family"] == "invalid_argument"
    assert await in_thread(Recording.objects.count) == 1


def test_ones_own_are_an_operators_and_all_are_a_maintainers(
    owner: Caller, teammate: Caller, outsider: Caller, nobody: Caller, team: Team
) -> None:
    mine, theirs = recording(team, "teammate", teammate.user), recording(team, "somebody")
    assert {one["user"] for one in owner.get("recordings/").json()["results"]} == {"teammate", "somebody"}
    assert [one["user"] for one in teammate.get("recordings/").json()["results"]] == ["teammate"]
    assert outsider.get("recordings/").json()["count"] == 0
    assert nobody.get("recordings/").status_code == 401
    cast = teammate.get(f"recordings/{mine.pk}/cast/")
    assert b"hello" in b"".join(cast.streaming_content)
    assert "attachment" in cast.headers["Content-Disposition"]
    for caller in (teammate, outsider):
        assert caller.get(f"recordings/{theirs.pk}/cast/").status_code == 404
    assert teammate.delete(f"recordings/{mine.pk}/").status_code == 403
    assert owner.delete(f"recordings/{theirs.pk}/").status_code == 204
    assert not theirs.path.exists()
    Membership.objects.filter(user=teammate.user).update(role=Role.VIEWER)
    assert teammate.get("recordings/").json()["count"] == 0


def test_pages_show_what_one_may_see(teammate: Caller, outsider: Caller, team: Team) -> None:
    mine = recording(team, "teammate", teammate.user)
    for caller in (teammate, outsider):
        caller.client.force_login(caller.user)
    assert str(mine.pk).encode() in teammate.client.get("/recordings/").content
    assert teammate.client.get(f"/recordings/{mine.pk}/").status_code == 200
    assert str(mine.pk).encode() not in outsider.client.get("/recordings/").content
    assert outsider.client.get(f"/recordings/{mine.pk}/").status_code == 404


def test_they_go_when_their_time_is_over_or_room_is_needed(
    team: Team, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()
    old = recording(team, "old", started_at=now - timedelta(days=91))
    broken_off = recording(team, "broken", started_at=now - timedelta(days=2))
    new = recording(team, "new")
    recordings_sweep(now + timedelta(hours=2))
    assert not old.path.exists()
    assert set(Recording.objects.values_list("username", flat=True)) == {"broken", "new"}
    broken_off.refresh_from_db()
    assert broken_off.ended_at is not None
    monkeypatch.setattr("webui.recordings.services.SITE_BYTES", new.path.stat().st_size)
    recordings_sweep(now)
    assert list(Recording.objects.values_list("username", flat=True)) == ["new"]


def test_a_maintainer_says_what_is_recorded(owner: Caller, teammate: Caller, team: Team) -> None:
    path = f"teams/{team.pk}/"
    assert teammate.call("patch", path, {"record_terminals": "always"}).status_code == 403
    assert owner.call("patch", path, {"record_terminals": "maybe"}).status_code == 400
    answer = owner.call("patch", path, {"record_terminals": "always", "keep_recordings_days": 30}).json()
    assert (answer["record_terminals"], answer["keep_recordings_days"], answer["keep_logs_days"]) == ("always", 30, 7)
