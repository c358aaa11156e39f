"""Execs: more processes in a container that runs. What is known of them lies in the container's directory.

The journal tells of each start and each end, with the exec's id as subject, each once (`events.once`). What is to be
told of a start is noted with the exec before it is born: whoever is killed before telling leaves it to the next
recovery, or to whoever waits for the end. An end is told by whoever waits for it, or by the next recovery.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.containers import events, health, states
from engine.containers.parts import ExitStatus, Parts
from engine.containers.record import ContainerRecord
from engine.errors import NotFound
from engine.runtime.execs import Exec, ExecSpec, Stdio


def start(parts: Parts, container_id: str, spec: ExecSpec, stdio: Stdio) -> Exec:
    """Run `spec` in a running container. Conflict for one that doesn't run or is paused."""
    record = parts.catalog.get(container_id)
    states.require("exec", record.status, record.name)
    facts = {**_labelled(record), "command": list(spec.args), "user": spec.user, "tty": spec.tty}
    made = parts.runtime.exec(parts.catalog.directory(container_id), replace(spec, note=facts), stdio)
    _tell_of_start(parts, container_id, made.id, facts)
    return made


def status(parts: Parts, container_id: str, exec_id: str) -> ExitStatus | None:
    """How it ended; None while it runs."""
    return parts.runtime.exec_status(parts.catalog.directory(container_id), exec_id)


def wait(
    parts: Parts, container_id: str, exec_id: str, timeout_seconds: float | None, *, is_told: bool = True
) -> ExitStatus | None:
    """Wait for its end; None when the time is over first. Not `is_told`: whoever removes it tells of its end."""
    found = parts.runtime.exec_wait(parts.catalog.directory(container_id), exec_id, timeout_seconds)
    if found is not None and is_told:
        _tell(parts, container_id, exec_id, found)
    return found


def signal(parts: Parts, container_id: str, exec_id: str, number: int) -> None:
    """Send it a signal; NotFound when it has ended."""
    parts.runtime.exec_signal(parts.catalog.directory(container_id), exec_id, number)


def kill(parts: Parts, container_id: str, exec_id: str) -> None:
    """Kill it, with its process group, and tell of its end; one that has ended or is gone is no error.

    One that doesn't end now, as in a container that is frozen, is told of by the next recovery.
    """
    directory = parts.catalog.directory(container_id)
    if parts.runtime.exec_kill(directory, exec_id):
        remove(parts, container_id, exec_id)


def running(parts: Parts, container_id: str) -> list[dict[str, Any]]:
    """Those that run, but for health checks: {"id", "pid" as the host numbers it, "command", "user", "tty"}.

    Of those that have ended, and that nobody waits for since a worker has died, it is told.
    """
    directory = parts.catalog.directory(container_id)
    found: list[dict[str, Any]] = []
    for exec_id in parts.runtime.execs(directory):
        if exec_id == health.exec_id(container_id):
            continue
        with contextlib.suppress(NotFound):  # it has just been removed, or was never born
            ended = parts.runtime.exec_status(directory, exec_id)
            if ended is not None:
                _tell(parts, container_id, exec_id, ended)
                continue
            noted = parts.runtime.exec_note(directory, exec_id) or {}
            said = {name: noted.get(name) for name in ("command", "user", "tty")}
            found.append({"id": exec_id, "pid": parts.runtime.exec_pid(directory, exec_id), **said})
    return found


def remove(parts: Parts, container_id: str, exec_id: str) -> None:
    """Forget one that has ended; Conflict while it runs, and no error if it is gone."""
    directory = parts.catalog.directory(container_id)
    try:
        found = parts.runtime.exec_status(directory, exec_id)
    except NotFound:
        return
    if found is not None:
        _tell(parts, container_id, exec_id, found)
    parts.runtime.exec_remove(directory, exec_id)
    events.forget(parts, container_id, exec_id)


def sweep(parts: Parts, container_id: str) -> str | None:
    """For recovery: tell of ends that nobody told, and forget those that nobody will ask for any more."""
    directory = parts.catalog.directory(container_id)
    if not (directory / "exec").is_dir():
        return None
    for exec_id in parts.runtime.execs(directory):
        try:
            found = parts.runtime.exec_status(directory, exec_id)
        except NotFound:
            continue  # never born
        if exec_id == health.exec_id(container_id):  # nobody is told of those
            continue
        if found is not None:
            _tell(parts, container_id, exec_id, found)
        elif (facts := parts.runtime.exec_note(directory, exec_id)) is not None:
            _tell_of_start(parts, container_id, exec_id, facts)
    swept = parts.runtime.exec_sweep(directory)
    for exec_id in swept:
        events.forget(parts, container_id, exec_id)
    return f"forgot {len(swept)} ended execs of container {container_id[:12]}" if swept else None


_STARTED, _DIED = 1, 2
"""What has been told of one, as `events.once` counts it."""


def _tell_of_start(parts: Parts, container_id: str, exec_id: str, facts: Mapping[str, Any]) -> None:
    entries = [(kind, exec_id, facts) for kind in (events.EXEC_CREATED, events.EXEC_STARTED)]
    events.once(parts, container_id, exec_id, _STARTED, entries)


def _tell(parts: Parts, container_id: str, exec_id: str, found: ExitStatus) -> None:
    noted = parts.runtime.exec_note(parts.catalog.directory(container_id), exec_id)
    if noted is not None:
        _tell_of_start(parts, container_id, exec_id, noted)
    facts = {**_labelled(parts.catalog.get(container_id)), "exit_code": found.code}
    events.once(parts, container_id, exec_id, _DIED, [(events.EXEC_DIED, exec_id, facts)])


def _labelled(record: ContainerRecord) -> dict[str, Any]:
    return {**events.labelled(record), "container": record.id}
