"""What the life of a container tells the journal, in the words of `worker.contract.events`: each change once.

The record's file is the truth, the journal another file, and any process of ours may be killed between the two.
So a record carries what is to be told of its last change (`untold`), with the change's number, and the database
remembers, in the transaction that tells, which number was told last:

    save the record with `untold` ─► one transaction: told before? else append, and remember the number

Whoever comes next (the next change, a reaper, a recovery) finishes what a death has cut short: `tell`.

The engine can't import the contract, so a test holds the two together.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from engine.containers.record import ContainerRecord
from engine.options.mounts import VOLUME
from engine.store.journal import Journal

if TYPE_CHECKING:
    from engine.containers.parts import Parts

CREATED = "container.created"
STARTED = "container.started"
OOM = "container.oom"
DIED = "container.died"
KILLED = "container.killed"
STOPPED = "container.stopped"
RESTARTED = "container.restarted"
PAUSED = "container.paused"
UNPAUSED = "container.unpaused"
RESTARTING = "container.restarting"
SETTLED = "container.settled"
UPDATED = "container.updated"
RENAMED = "container.renamed"
HEALTH = "container.health"
REMOVED = "container.removed"
LOG_REMOVED = "log.removed"
EXEC_CREATED = "exec.created"
EXEC_STARTED = "exec.started"
EXEC_DIED = "exec.died"
CHECKED = "health.checked"
LEAVING = "leaving"
"""On top of the state in what is told of an end: the container's removal is told next."""
ACTION = "action.done"
"""What was done and changes no state, named by the attribute `action` in Docker's words: attach, export and so on."""

Untold = tuple[str, str, Mapping[str, Any]]
"""Kind, subject, and for an `ACTION` its attributes, else what comes on top of the state."""

NETWORK = "bridge"


def append(journal: Journal, kind: str, record: ContainerRecord, **news: Any) -> None:
    """Append with the whole observed state, so that the last event of a container suffices; `news` come on top.

    The caller holds the container's lock: a state that is older than its number would undo a newer one.
    """
    journal.append(kind, record.id, {**record.as_state(), **news})


def news(journal: Journal, action: str, record: ContainerRecord, **attributes: Any) -> None:
    """Tell that `action` (Docker's name for it: attach, export, commit …) was done, with Docker's attributes."""
    journal.append(ACTION, record.id, {"action": action, **labelled(record), **attributes})


def labelled(record: ContainerRecord) -> dict[str, Any]:
    """What a container's events are found by."""
    spec = record.spec
    return {"type": "container", "name": spec.name, "image": spec.image, "labels": dict(spec.labels)}


def of(kind: str, **news: Any) -> Untold:
    """One thing to tell of a change."""
    return kind, "", news


def of_network(action: str, record: ContainerRecord) -> tuple[Untold, ...]:
    """That the container has joined its network ("connect") or left it ("disconnect"); nothing if it had none."""
    names = [str(network["network"]) for network in record.networks]
    if record.is_on_default and record.ip_address is not None:
        names.insert(0, NETWORK)
    return tuple(of_joining(action, record, name) for name in names)


def of_joining(action: str, record: ContainerRecord, network: str) -> Untold:
    """The same for one network."""
    return ACTION, network, {"action": action, "type": "network", "name": network, "container": record.id}


def of_volumes(action: str, record: ContainerRecord) -> Iterator[Untold]:
    """That the volumes of a container were mounted ("mount") or are no longer ("unmount"), with Docker's attributes."""
    for point in record.mounts:
        if point.type == VOLUME:
            attributes: dict[str, Any] = {"action": action, "type": "volume", "name": point.name}
            attributes |= {"container": record.id, "driver": point.driver}
            if action == "mount":
                attributes |= {"destination": point.destination, "read/write": not point.read_only, "propagation": ""}
            yield ACTION, point.name, attributes


def prepared(record: ContainerRecord, *untold: Untold) -> ContainerRecord:
    """The record of a change that `tell` is to tell of, once it is saved."""
    return record.with_changes(changes=record.changes + 1, untold=untold)


def change(parts: Parts, record: ContainerRecord, *untold: Untold) -> ContainerRecord:
    """Save a changed record and tell of it. The caller holds the lock; nothing is told when saving fails."""
    tell(parts, parts.catalog.get(record.id))  # what a death cut short comes first, with the state of its time
    return instead(parts, record, *untold)


def instead(parts: Parts, record: ContainerRecord, *untold: Untold) -> ContainerRecord:
    """`change` that tells nothing of what the file says now: it takes back a start that nobody was told of."""
    changed = prepared(record, *untold)
    parts.catalog.save(changed)
    tell(parts, changed)
    return changed


def tell(parts: Parts, record: ContainerRecord) -> None:
    """Tell of the record's last change, unless that has been done. The caller holds the lock."""
    if record.changes > parts.catalog.told.get(record.id, 0):
        once(parts, record.id, "", record.changes, (entry(record, *untold) for untold in record.untold))


def once(parts: Parts, container_id: str, what: str, number: int, entries: Iterable[Untold]) -> bool:
    """Append `entries` unless this `number` (rising) of `what` was told of before; whether they were."""
    if number <= _told(parts.store.connection(), container_id, what):
        return False  # most often so, and then no other writer has to wait for us
    with parts.store.transaction() as connection:
        if number <= _told(connection, container_id, what):
            return False
        for kind, subject, attributes in entries:
            parts.journal.append(kind, subject, attributes)
        connection.execute(
            "INSERT INTO told VALUES (?, ?, ?) ON CONFLICT (id, what) DO UPDATE SET number = excluded.number",
            (container_id, what, number),
        )
        if not what:
            parts.store.after_commit(partial(parts.catalog.told.__setitem__, container_id, number))
    return True


def told(parts: Parts, container_id: str, what: str) -> int:
    """The number of `what` that was told last, 0 before the first."""
    return _told(parts.store.connection(), container_id, what)


def _told(connection: sqlite3.Connection, container_id: str, what: str) -> int:
    row = connection.execute("SELECT number FROM told WHERE id = ? AND what = ?", (container_id, what)).fetchone()
    return int(row["number"]) if row else 0


def forget(parts: Parts, container_id: str, what: str | None = None) -> None:
    """Remember no longer what was told of a container that goes (or of one `what` of it)."""
    with parts.store.transaction() as connection:
        connection.execute("DELETE FROM told WHERE id = ? AND (? IS NULL OR what = ?)", (container_id, what, what))
    if not what:
        ask_anew(parts, container_id)


def ask_anew(parts: Parts, container_id: str) -> None:
    """For a container that begins to be: one of its id may have been removed by another process."""
    parts.catalog.told.pop(container_id, None)


def entry(record: ContainerRecord, kind: str, subject: str, news: Mapping[str, Any]) -> Untold:
    """What the journal gets of one `Untold` of a record."""
    if kind == ACTION:
        return kind, subject or record.id, news
    return kind, record.id, {**record.as_state(), **news}
