"""Waiting for a container: what `docker wait` knows, told by the events that the site keeps.

A wait is a look, and another one whenever the container's host has told something: `wait_begin` notes the last event
that there is, then every `wait_look` goes by what the database says, so that an end between two looks is not missed,
however short the next run. No worker has a part in it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from django.db.models import Max, Q

from engine.errors import InvalidArgument
from webui.activity.models import Event
from webui.containers.models import Container, ObservedStatus
from webui.jobs.models import Job

NOT_RUNNING, NEXT_EXIT, REMOVED = "not-running", "next-exit", "removed"
CONDITIONS = (NOT_RUNNING, NEXT_EXIT, REMOVED)
TIMEOUT_MAXIMUM = 86_400.0
_ALIVE = (ObservedStatus.RUNNING, ObservedStatus.PAUSED, ObservedStatus.RESTARTING)
_STARTING = ("container.create", "container.start", "container.restart")
_MAKING = ("container.create", "container.recreate")


@dataclass(frozen=True, slots=True)
class Waiting:
    """What somebody waits for; `after` is the last event that there was when it began."""

    container_id: str
    condition: str
    after: int
    timeout: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """`reached` is false when the time was over first; `exit_code` None when it never ran; `error` why it ended so."""

    condition: str
    reached: bool = True
    exit_code: int | None = None
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def wait_begin(container_id: str, *, condition: str | None = None, timeout: str | None = None) -> Waiting:
    """`timeout` in seconds, None for ever. Raises InvalidArgument with the parameter's name."""
    chosen = condition or NOT_RUNNING
    if chosen not in CONDITIONS:
        raise _wrong("condition", f"Choose one of {', '.join(CONDITIONS)}.")
    newest = Event.objects.filter(container_id=container_id).aggregate(newest=Max("id"))["newest"] or 0
    return Waiting(container_id, chosen, newest, _seconds(timeout))


def wait_look(waiting: Waiting) -> Outcome | None:
    """How it ended, if it has."""
    container = Container.objects.filter(pk=waiting.container_id).first()
    if waiting.condition == REMOVED:
        return None if container is not None else _outcome(waiting, _last_death(waiting.container_id))
    death = _first_death(waiting)
    if death is not None:
        return _outcome(waiting, death)
    if container is None:
        told = None if waiting.condition == NEXT_EXIT else _last_death(waiting.container_id)
        return _outcome(waiting, told) if told else Outcome(condition=waiting.condition, error="it was removed")
    if waiting.condition == NOT_RUNNING and _is_down(container):
        # A start may have failed since the row was read: then its job is over, but the row does not say why.
        container = Container.objects.filter(pk=waiting.container_id).first()
        if container is not None and container.observed_status not in _ALIVE:
            return Outcome(condition=NOT_RUNNING, exit_code=container.exit_code, error=container.error or None)
    return None


def _is_down(container: Container) -> bool:
    """Whether it does not run and is not about to: a start that was asked for counts as running already."""
    if container.observed_status in _ALIVE:
        return False
    own = Q(subject=container.pk, kind__in=_STARTING)
    in_place = Q(kind="container.recreate", command__container_id=container.pk)  # its subject is the one that goes
    starting = Job.objects.unfinished().filter(own | in_place, host=container.host_id)
    return not any(job.kind not in _MAKING or job.command.get("start", True) for job in starting)


def _first_death(waiting: Waiting) -> Event | None:
    return _deaths(waiting.container_id).filter(id__gt=waiting.after).order_by("id").first()


def _last_death(container_id: str) -> Event | None:
    return _deaths(container_id).order_by("-id").first()


def _deaths(container_id: str) -> Any:
    return Event.objects.filter(container_id=container_id, type="container", verb="die")


def _outcome(waiting: Waiting, death: Event | None) -> Outcome:
    said = {} if death is None else death.attributes
    code = str(said.get("exitCode", ""))
    return Outcome(
        condition=waiting.condition,
        exit_code=int(code) if code.isdigit() else None,
        error=said.get("error"),
    )


def _seconds(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= TIMEOUT_MAXIMUM:
        raise _wrong("timeout", f"Give 0 to {TIMEOUT_MAXIMUM:.0f} seconds.")
    return seconds


def _wrong(name: str, message: str) -> InvalidArgument:
    return InvalidArgument(f"{name}: {message}", {"fields": {name: [message]}})
