"""Which verb is allowed in which status.

              create          start            exit
    (nothing) ──────► created ──────► running ──────► stopped ──► start …
                                      │    ▲            ▲
                               pause  ▼    │ unpause    │ stop, limit reached
                                      paused          restarting ──► running (after the back-off)

`creating` exists only at the site, which shows a container before the host has made it.
"""

from __future__ import annotations

from engine.errors import Conflict

CREATED = "created"
RUNNING = "running"
PAUSED = "paused"
RESTARTING = "restarting"
STOPPED = "stopped"

ALIVE = frozenset({RUNNING, PAUSED})
"""The statuses in which there is a process."""

STOP, LEAVE, KILL = "stop", "leave", "kill"
"""What a run is `ending` by, if it was asked to; `LEAVE` is a stop after which the container is removed."""
SIGNALLED = "signal"
"""The same where nobody waits for the end: it is the keeper's to reap."""

ALLOWED: dict[str, frozenset[str]] = {
    "start": frozenset({CREATED, STOPPED, RESTARTING}),
    "stop": frozenset({RUNNING, PAUSED, RESTARTING}),
    "kill": frozenset({RUNNING, PAUSED}),
    "pause": frozenset({RUNNING}),
    "unpause": frozenset({PAUSED}),
    "restart": frozenset({CREATED, RUNNING, PAUSED, RESTARTING, STOPPED}),
    "exec": frozenset({RUNNING}),
    "top": frozenset({RUNNING, PAUSED}),
    "attach": frozenset({RUNNING}),
    "remove": frozenset({CREATED, STOPPED}),
}

_NEXT_STEP = {
    ("start", RUNNING): "it runs already",
    ("start", PAUSED): "unpause it instead",
    ("kill", RESTARTING): "it is waiting to be restarted; stop it to end that",
    ("exec", PAUSED): "unpause it first",
    ("exec", CREATED): "start it first",
    ("exec", STOPPED): "start it first",
    ("top", CREATED): "start it first",
    ("top", STOPPED): "start it first",
    ("attach", PAUSED): "unpause it first",
    ("attach", CREATED): "start it first",
    ("attach", STOPPED): "start it first",
    ("remove", RUNNING): "stop it first, or remove it with force",
    ("remove", PAUSED): "stop it first, or remove it with force",
    ("remove", RESTARTING): "stop it first, or remove it with force",
}


def can(verb: str, status: str) -> bool:
    """Whether `verb` (a key of `ALLOWED`) may be done to a container in `status`."""
    return status in ALLOWED[verb]


def require(verb: str, status: str, name: str) -> None:
    """Raise `Conflict` with what to do next when `verb` is not allowed in `status`."""
    if can(verb, status):
        return
    hint = _NEXT_STEP.get((verb, status)) or f"only a container that is {' or '.join(sorted(ALLOWED[verb]))} allows it"
    raise Conflict(f"can't {verb} container {name}, which is {status}: {hint}", {"status": status, "verb": verb})
