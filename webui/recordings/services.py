"""Recordings: who is recorded, who may see it, how long it stays."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from engine.errors import InvalidArgument, Unavailable
from webui.accounts import seeing
from webui.accounts.models import RecordTerminals, Team, User
from webui.accounts.roles import require
from webui.audit.recording import entry_record
from webui.containers.models import Container
from webui.recordings import recorder
from webui.recordings.models import Recording, RecordingQuerySet
from webui.recordings.recorder import Recorder

DAYS_MAXIMUM = 3650
SITE_BYTES = 10 << 30
"""How much all recordings take at most: the oldest go first."""
ABANDONED = timedelta(hours=1)
"""A recording whose file has not grown for so long, and whose end nobody noted, was broken off."""


def recording_wanted(team: Team, is_asked: bool) -> bool:
    """Whether a session is to be recorded. Raises InvalidArgument when it is asked for and the team doesn't want it."""
    if team.record_terminals == RecordTerminals.NEVER and is_asked:
        raise InvalidArgument(
            f"the team {team.name} does not record terminals: open it without recording, or ask a maintainer"
        )
    return is_asked or team.record_terminals == RecordTerminals.ALWAYS


def recording_begin(
    *, user: User, container: Container, session: str, source: str, wish: Mapping[str, Any]
) -> tuple[Recording, Recorder]:
    """Note that a session is recorded and make its file. Raises Unavailable: what can't be recorded does not begin."""
    command = wish.get("command") or []
    recording = Recording(
        team=container.team,
        user=user,
        username=user.get_username(),
        session=session,
        source=source,
        command=shlex.join(command)[:4096] if isinstance(command, list | tuple) else "",
        container_id=container.pk,
        container_name=container.name,
    )
    writer = Recorder(recording.path, recording.started_at.timestamp())
    rows, columns = _size(wish, "rows", 24), _size(wish, "columns", 80)
    try:
        writer.begin(rows=rows, columns=columns, title=f"{recording.username} in {container.name}")
    except OSError as error:
        raise Unavailable(
            f"this terminal has to be recorded, but the site can't write that: {error.strerror}"
        ) from error
    recording.save(force_insert=True)
    return recording, writer


def terminal_begin(
    *, user: User, container: Container, session: str, source: str, wish: Mapping[str, Any], is_recorded: bool
) -> tuple[Recording, Recorder] | None:
    """Write down that somebody opens a terminal, which no job tells of, and begin its recording if it is recorded.

    `source`: what the host serves it from; `wish`: what is to run, and how. Raises Unavailable.
    """
    begun = None
    if is_recorded:
        begun = recording_begin(user=user, container=container, session=session, source=source, wish=wish)
    after = {name: wish[name] for name in ("command", "user", "workdir", "tty", "privileged") if wish.get(name)}
    entry_record(
        action=f"container.{source}",
        user=user,
        team=container.team,
        host=container.host,
        object_id=container.pk,
        object_name=container.name,
        after=after if begun is None else {**after, "recording": str(begun[0].pk)},
    )
    return begun


def recording_of(session: str) -> tuple[Recording, Recorder] | None:
    """The recording of a session that is joined again; None when it isn't recorded."""
    recording = Recording.objects.filter(session=session).first()
    return None if recording is None else (recording, Recorder(recording.path, recording.started_at.timestamp()))


def recording_end(recording: Recording, exit_code: Any) -> None:
    """The session is over; a code is what its process ended with."""
    code = exit_code if isinstance(exit_code, int) else None
    Recording.objects.filter(pk=recording.pk, ended_at=None).update(ended_at=timezone.now(), exit_code=code)


def recordings_visible(user: User) -> RecordingQuerySet:
    """One's own, as long as one may operate in the team; with the right to manage, the team's."""
    others = seeing.objects(Recording.objects.all(), user, "recordings.view", None)
    if user.is_unlimited:
        return others
    own = seeing.objects(Recording.objects.filter(user=user), user, "containers.exec", None)
    return Recording.objects.filter(Q(pk__in=others.values("pk")) | Q(pk__in=own.values("pk")))


def recording_delete(*, user: User, recording: Recording) -> None:
    """Raises PermissionDenied: also one's own stays until somebody who manages the team lets it go."""
    require(user, "recordings.remove", recording.team)
    _delete(recording)


@transaction.atomic
def team_record(*, user: User, team: Team, record: str | None = None, keep_days: int | None = None) -> None:
    """Say which terminals are recorded (never, asked, always), and for how many days.

    Raises PermissionDenied, InvalidArgument with the field.
    """
    require(user, "team.manage", team)
    if record is not None:
        if record not in RecordTerminals.values:
            message = f"Choose one of {', '.join(RecordTerminals.values)}."
            raise InvalidArgument(message, {"fields": {"record_terminals": [message]}})
        team.record_terminals = record
    if keep_days is not None:
        if not 1 <= keep_days <= DAYS_MAXIMUM:
            message = f"Give a number of days from 1 to {DAYS_MAXIMUM}."
            raise InvalidArgument(message, {"fields": {"keep_recordings_days": [message]}})
        team.keep_recordings_days = keep_days
    team.save(update_fields=["record_terminals", "keep_recordings_days"])


def recordings_sweep(now: datetime) -> None:
    """Delete what was kept long enough, or is too much; note the end of what was broken off."""
    room = SITE_BYTES
    for recording in Recording.objects.select_related("team").order_by("-started_at"):
        try:
            found = recording.path.stat()
        except OSError:
            size, grown_at = 0, recording.started_at
        else:
            size, grown_at = found.st_size, datetime.fromtimestamp(found.st_mtime, now.tzinfo)
        room -= size
        if room < 0 or now - recording.started_at > timedelta(days=recording.team.keep_recordings_days):
            _delete(recording)
        elif recording.ended_at is None and now - grown_at > ABANDONED:
            Recording.objects.filter(pk=recording.pk, ended_at=None).update(ended_at=grown_at)


def _delete(recording: Recording) -> None:
    """The file first: a row without a file says that there was one, a file without a row would stay for ever."""
    recorder.delete(recording.path)
    recording.delete()


def _size(wish: Mapping[str, Any], name: str, default: int) -> int:
    value = wish.get(name)
    return value if isinstance(value, int) and 0 < value <= 1000 else default
