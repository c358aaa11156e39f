"""Recreate: make a container in the place of another, with its name and addresses, or leave that one as it was.

    check the request, have the image          nothing is changed
    note what is going on                      from here on, what a death leaves is taken back
    stop the old one and set it aside          another name; its addresses are kept for these two alone
    make the new one, and start it
    note that it is done                       from here on, what a death leaves is finished
    remove the old one                         its volumes stay; those without a name are the new one's by then

Taking back is what a failure does, too: the new one goes, the old one has its name and its addresses and runs again,
if it did. `recovery` settles what it finds noted, and so does whoever recreates the same container next.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from engine.containers import creation, joining, mounting, removal, renaming, sharing, starting, states, stopping
from engine.containers.catalog import Busy
from engine.containers.durability import Durability
from engine.containers.parts import Parts, Progress
from engine.containers.record import ContainerRecord
from engine.containers.spec import ContainerSpec, validate
from engine.errors import AlreadyExists, Cancelled, Conflict, EngineError, NotFound
from engine.options.admission import Admission

log = logging.getLogger(__name__)

SCHEMA = [
    "CREATE TABLE recreation (old TEXT PRIMARY KEY, new TEXT NOT NULL, name TEXT NOT NULL, status TEXT NOT NULL,"
    " is_done INTEGER NOT NULL DEFAULT 0)"
]
LOCK = "recreating"
"""A file in the directory of the old one, locked by who is at it; verbs of its life have a lock of their own."""
_RAN = (*states.ALIVE, states.RESTARTING)


@dataclass(frozen=True, slots=True)
class _Note:
    """`name` and `status` are the old one's, as they were before."""

    old: str
    new: str
    name: str
    status: str
    is_done: bool = False


def recreate(
    parts: Parts,
    container_id: str,
    spec: ContainerSpec,
    *,
    start: bool = True,
    renew_volumes: bool = False,
    request: str = "",
    access: Any = None,
    admission: Admission | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> ContainerRecord:
    """Make what `spec` says in the place of a container, and return the new one's record; `start` starts it.

    Where both have a volume without a name, the new one goes on with the old one's, as with Docker Compose: a database
    whose image has a VOLUME keeps its data. `renew_volumes`: it begins with new ones, and the old ones stay unused.

    The same again, once it is done, returns what is there. `request` as of a start, the rest as of a creation; once the
    old one is being stopped, `cancel` does nothing more. Raises as `creation.create` and `starting.start`, then with
    the old one as it was; `Conflict` for one that goes with its end; `Busy` while somebody else recreates it.
    """
    validate(spec)
    spec = sharing.resolved(parts, spec)
    settle(parts, container_id)
    new = _made(parts, spec.id)
    if new is not None and not parts.catalog.directory(container_id).exists() and new.spec == spec:
        return new
    with _alone(parts, container_id):
        old = parts.catalog.get(container_id)
        _check(parts, old, spec, new)
        ready = creation.ready(parts, spec, access=access, admission=admission, progress=progress, cancel=cancel)
        if cancel is not None and cancel.is_set():
            raise Cancelled(f"Cancelled before container {old.name} was stopped.")
        old = parts.catalog.get(container_id)  # a pull takes its time
        note = _Note(old.id, spec.id, old.name, old.status)
        tell = _teller(progress)
        try:
            _write(parts, note)
            parts.store.sync()  # a power cut may take a note, but not one whose container it finds stopped
            nameless = {} if renew_volumes else mounting.without_name(parts, old)
            if old.status in _RAN:
                tell(f"stopping {old.name}")
                stopping.stop(parts, old.id)
            _set_aside(parts, note, spec)
            tell("making the new container")
            record = creation.make(parts, ready._replace(nameless=nameless))
            if start:
                tell("starting the new container")
                record = starting.start(parts, spec.id, request)
            _write(parts, _Note(note.old, note.new, note.name, note.status, is_done=True))
        except EngineError as error:
            tell(f"bringing back {old.name}")
            raise type(error)(f"{error.message}; {_take_back(parts, note)}", error.detail) from error
        except Exception:
            _take_back(parts, note)
            raise
        try:
            _finish(parts, note)
        except Exception:  # what was asked for is there; the next who looks removes the old one
            log.exception("container %s was recreated, and is still to be removed", container_id)
        return record


def unfinished(parts: Parts) -> list[str]:
    """The ids of containers of which it is noted that they are being recreated."""
    parts.store.ensure("recreation", SCHEMA)
    rows = parts.store.connection().execute("SELECT old FROM recreation ORDER BY old").fetchall()
    return [str(row["old"]) for row in rows]


def settle(parts: Parts, container_id: str) -> str | None:
    """Put right what a death has cut short, and say so in a line. Raises `Busy` while somebody is at it."""
    try:
        return _settle_alone(parts, container_id)
    except NotFound:  # its directory is gone
        note = _noted(parts, container_id)
        return None if note is None else _settle(parts, note)


def _settle_alone(parts: Parts, container_id: str) -> str | None:
    if container_id not in unfinished(parts):
        return None
    with _alone(parts, container_id):
        note = _noted(parts, container_id)
        return None if note is None else _settle(parts, note)


def _settle(parts: Parts, note: _Note) -> str:
    if note.is_done:
        _finish(parts, note)
        return f"removed container {note.old[:12]}, in whose place there is {note.new[:12]}"
    return f"took back the unfinished recreation of container {note.name}: {_take_back(parts, note)}"


def _check(parts: Parts, old: ContainerRecord, spec: ContainerSpec, new: ContainerRecord | None) -> None:
    if new is not None:
        raise AlreadyExists(f"container {spec.id[:12]} exists already; choose another id", {"id": spec.id})
    if old.spec.auto_remove:
        raise Conflict(f"container {old.name} is removed when it ends: stop it, and make the new one then")
    owner = parts.catalog.owner_of(spec.name)
    if owner not in (None, old.id):
        raise AlreadyExists(
            f"the name {spec.name} is taken by container {str(owner)[:12]}; remove that one or choose another name",
            {"field": "name", "id": owner},
        )


def _made(parts: Parts, container_id: str) -> ContainerRecord | None:
    try:
        return parts.catalog.get(container_id)
    except NotFound:
        return None


def _set_aside(parts: Parts, note: _Note, spec: ContainerSpec) -> None:
    if spec.name == note.name:
        renaming.rename(parts, note.old, aside_name(note.name, note.old))
    parts.network.set_aside(note.old, note.new)


def aside_name(name: str, container_id: str) -> str:
    """What a container is called while another one has its name."""
    return f"{name[:115]}-{container_id[:12]}"


def _take_back(parts: Parts, note: _Note) -> str:
    """Let the old one be as it was, and say in words how it is; what can't be had again now is said as well."""
    if not parts.catalog.directory(note.old).exists():
        _forget(parts, note)  # somebody has removed it: the new one, if it is there, is all that there is
        return f"container {note.name} has been removed meanwhile"
    removal.remove(parts, note.new, force=True, volumes=True)
    troubles = []
    try:
        for step in (_addresses_back, _name_back, _run_back):
            try:
                step(parts, note)
            except NotFound:
                if not parts.catalog.directory(note.old).exists():
                    raise
                log.exception("container %s is not quite as it was", note.name)
            except EngineError as error:
                troubles.append(error.message)
    except NotFound:
        _forget(parts, note)
        return f"container {note.name} has been removed meanwhile"
    _forget(parts, note)
    return (
        f"container {note.name} is as it was"
        if not troubles
        else (f"container {note.name} is still there, but not as it was: {'; '.join(troubles)}")
    )


def _addresses_back(parts: Parts, note: _Note) -> None:
    parts.network.take_back(note.old)
    with parts.catalog.locked(note.old):
        joining.follow_endpoints(parts, parts.catalog.get(note.old))


def _name_back(parts: Parts, note: _Note) -> None:
    renaming.rename(parts, note.old, note.name)


def _run_back(parts: Parts, note: _Note) -> None:
    if note.status not in _RAN:
        return
    record = parts.catalog.get(note.old)
    if record.status in states.ALIVE:
        if record.desired == states.RUNNING:
            return  # nobody has begun to stop it
        stopping.stop(parts, note.old, stopping.GRACE_SECONDS)  # what was sent a signal ends, sooner or later
    starting.start(parts, note.old)
    if note.status == states.PAUSED:
        stopping.pause(parts, note.old)


def _finish(parts: Parts, note: _Note) -> None:
    Durability(parts).make_durable([note.new])  # before the old one goes, lest a power cut leave neither
    removal.remove(parts, note.old, force=True)
    _forget(parts, note)


def _teller(progress: Progress | None) -> Callable[[str], None]:
    return (lambda phase: None) if progress is None else (lambda phase: progress(phase, ()))


def _noted(parts: Parts, container_id: str) -> _Note | None:
    row = parts.store.connection().execute("SELECT * FROM recreation WHERE old = ?", (container_id,)).fetchone()
    return None if row is None else _Note(row["old"], row["new"], row["name"], row["status"], bool(row["is_done"]))


def _write(parts: Parts, note: _Note) -> None:
    parts.store.ensure("recreation", SCHEMA)
    with parts.store.transaction() as connection:
        connection.execute(
            "INSERT INTO recreation VALUES (?, ?, ?, ?, ?) ON CONFLICT (old) DO UPDATE SET is_done = excluded.is_done",
            (note.old, note.new, note.name, note.status, note.is_done),
        )


def _forget(parts: Parts, note: _Note) -> None:
    with parts.store.transaction() as connection:
        connection.execute("DELETE FROM recreation WHERE old = ?", (note.old,))


@contextlib.contextmanager
def _alone(parts: Parts, container_id: str) -> Iterator[None]:
    """Held by whoever recreates this container, or puts right what somebody has left of that. Raises NotFound, Busy."""
    directory = parts.catalog.directory(container_id)
    try:
        descriptor = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        raise NotFound(f"no container {container_id[:12]} on this host", {"id": container_id}) from None
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"container {container_id[:12]} is just being recreated; try again in a moment") from None
        yield
    finally:
        os.close(descriptor)
