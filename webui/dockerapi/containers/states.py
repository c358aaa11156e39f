"""How a container is, in Docker's words: `exited` and `Up 3 seconds (healthy)`."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from webui.containers.models import Container, DesiredStatus, ObservedStatus
from webui.dockerapi import times
from webui.dockerapi.containers.rows import Shown

STATES = ("created", "running", "paused", "restarting", "removing", "exited", "dead")
_WORDS: dict[str, str] = {
    ObservedStatus.PENDING: "created",
    ObservedStatus.CREATING: "created",
    ObservedStatus.CREATED: "created",
    ObservedStatus.RUNNING: "running",
    ObservedStatus.PAUSED: "paused",
    ObservedStatus.RESTARTING: "restarting",
    ObservedStatus.STOPPED: "exited",
}
ALIVE = ("running", "paused", "restarting")


def state_of(container: Shown) -> str:
    """One of `STATES`."""
    word = _WORDS.get(container.observed_status, "created")
    if container.desired_status == DesiredStatus.REMOVED and word not in ALIVE:
        return "removing"
    if word == "exited" and container.started_at is None:
        return "created"
    return word


def status_of(container: Shown) -> str:
    """A line for people, as moby's State.String."""
    state = state_of(container)
    if state == "removing":
        return "Removal In Progress"
    if state == "created":
        return "Created"
    now = timezone.now()
    if state == "restarting":
        return f"Restarting ({container.exit_code or 0}) {times.human(now - (container.finished_at or now))} ago"
    if state in ALIVE:
        up = f"Up {times.human(now - (container.started_at or now))}"
        if state == "paused":
            return f"{up} (Paused)"
        health = health_of(container)
        return up if health is None else f"{up} ({'health: starting' if health == 'starting' else health})"
    return f"Exited ({container.exit_code or 0}) {times.human(now - (container.finished_at or now))} ago"


def health_of(container: Shown) -> str | None:
    """starting, healthy or unhealthy; None without a check."""
    status = (container.health or {}).get("status")
    return status if status in ("starting", "healthy", "unhealthy") else None


def as_state(container: Container) -> dict[str, Any]:
    """`State` of inspect."""
    state = state_of(container)
    found: dict[str, Any] = {
        "Status": state,
        "Running": state in ALIVE,
        "Paused": state == "paused",
        "Restarting": state == "restarting",
        "OOMKilled": container.oom_killed,
        "Dead": False,
        "Pid": container.pid or 0 if state in ("running", "paused") else 0,
        "ExitCode": 0 if state in ("running", "paused", "created") and not container.error else _code(container),
        "Error": container.error,
        "StartedAt": times.rfc3339(container.started_at),
        "FinishedAt": times.rfc3339(container.finished_at),
    }
    if container.health is not None:
        found["Health"] = {
            "Status": container.health.get("status", "none"),
            "FailingStreak": container.health.get("failing_streak", 0),
            "Log": [_result(result) for result in container.health.get("log", ())],
        }
    return found


def _code(container: Container) -> int:
    if container.exit_code is not None:
        return container.exit_code
    return 128 if container.error else 0


def _result(result: dict[str, Any]) -> dict[str, Any]:
    return {
        "Start": times.rfc3339(times.moment(result["start"])),
        "End": times.rfc3339(times.moment(result["end"])),
        "ExitCode": result["exit_code"],
        "Output": result["output"],
    }
