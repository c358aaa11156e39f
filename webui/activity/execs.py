"""Execs of a container: through whichever door they came, its host's events tell of their starts and ends."""

from __future__ import annotations

import contextlib
from typing import Any

from engine.errors import EngineError, NotFound
from webui.activity.models import Event
from webui.containers.models import Container, ObservedStatus
from webui.containers.questions import EXECS, ask

SHOWN = 100
_ALIVE = (ObservedStatus.RUNNING, ObservedStatus.PAUSED)


def execs_of(container: Container) -> list[dict[str, Any]]:
    """The last `SHOWN`, the newest first: {"id", "command", "started_at", "running", "exit_code", "ended_at",
    "host_pid"}; the last from the host, null where it does not answer."""
    begun = list(_told(container).filter(verb="exec_start").order_by("-id")[:SHOWN])
    if not begun:
        return []
    deaths = _told(container).filter(verb="exec_die", id__gt=begun[-1].pk).order_by("-id")
    return _shown(container, begun, {_id(event): event for event in deaths})


def exec_of(container: Container, exec_id: str) -> dict[str, Any]:
    """One of them. Raises NotFound."""
    told = _told(container).filter(attributes__execID=exec_id)
    begun = list(told.filter(verb="exec_start")[:1])
    if not begun:
        raise NotFound(f"no exec {exec_id[:12]} of {container.name} is known: see those that are in the list of execs")
    return _shown(container, begun, {_id(event): event for event in told.filter(verb="exec_die")[:1]})[0]


def is_told(container: Container, exec_id: str) -> bool:
    """Whether its start is known here by now."""
    return _told(container).filter(verb="exec_start", attributes__execID=exec_id).exists()


def exec_code(container_id: str, exec_id: str) -> int | None:
    """The exit code of one, once its host has told its end."""
    deaths = Event.objects.filter(container_id=container_id, type="container", verb="exec_die")
    event = deaths.filter(attributes__execID=exec_id).first()
    return None if event is None else _code(event)


def _told(container: Container) -> Any:
    return Event.objects.filter(container_id=container.pk, type="container")


def _shown(container: Container, begun: list[Event], deaths: dict[str, Event]) -> list[dict[str, Any]]:
    pids: dict[str, int] = {}
    if any(_runs(container, event, deaths) for event in begun) and container.host.is_online:
        with contextlib.suppress(EngineError):
            pids = {one["id"]: one["pid"] for one in ask(container, EXECS)["execs"]}
    return [_as_json(container, event, deaths, pids) for event in begun]


def _runs(container: Container, begun: Event, deaths: dict[str, Event]) -> bool:
    """None outlives the run of the container in which it was started."""
    is_of_this_run = container.started_at is not None and container.started_at <= begun.at
    return container.observed_status in _ALIVE and is_of_this_run and _id(begun) not in deaths


def _as_json(container: Container, begun: Event, deaths: dict[str, Event], pids: dict[str, int]) -> dict[str, Any]:
    death, runs = deaths.get(_id(begun)), _runs(container, begun, deaths)
    return {
        "id": _id(begun),
        "command": begun.action.partition(": ")[2],
        "started_at": begun.at,
        "running": runs,
        "exit_code": None if death is None else _code(death),
        "ended_at": None if death is None else death.at,
        "host_pid": pids.get(_id(begun)) if runs else None,
    }


def _id(event: Event) -> str:
    return str(event.attributes.get("execID", ""))


def _code(event: Event) -> int:
    code = str(event.attributes.get("exitCode", ""))
    return int(code) if code.lstrip("-").isdigit() else 0
