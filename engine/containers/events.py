"""The kinds of events a container's life appends to the journal, in the words of `worker.contract.events`.

The engine can't import the contract, so a test holds the two together.
"""

from __future__ import annotations

from typing import Any

from engine.containers.record import ContainerRecord
from engine.store.journal import Journal

CREATED = "container.created"
STARTED = "container.started"
DIED = "container.died"
PAUSED = "container.paused"
UNPAUSED = "container.unpaused"
RESTARTING = "container.restarting"
UPDATED = "container.updated"
RENAMED = "container.renamed"
HEALTH = "container.health"
REMOVED = "container.removed"
EXEC_STARTED = "exec.started"
EXEC_DIED = "exec.died"


def append(journal: Journal, kind: str, record: ContainerRecord, **news: Any) -> None:
    """Append with the whole observed state, so that the last event of a container suffices; `news` come on top."""
    journal.append(kind, record.id, {**record.as_state(), **news})
