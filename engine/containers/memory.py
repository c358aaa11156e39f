"""What the kernel kills for a memory limit: told when it happens, and each time once.

The kernel counts what it has killed in a group. The journal remembers (`events.once`) of which run how much of that
was told: the keeper's hands tell while the container goes on, its reaper tells what is left.
"""

from __future__ import annotations

from engine.containers import events, states
from engine.containers.parts import Parts
from engine.containers.record import ContainerRecord
from engine.containers.unfinished import settle_birth

WHAT = "oom"
_COUNT_BITS = 20


def look(parts: Parts, container_id: str, run: int) -> None:
    """Tell of what was killed in a run that goes on. Raises `NotFound`, and `Busy` when somebody else is at it."""
    with parts.catalog.locked(container_id, wait=False):
        record = settle_birth(parts, parts.catalog.get(container_id))
        if record.run == run and record.status in states.ALIVE:
            tell(parts, record)


def tell(parts: Parts, record: ContainerRecord) -> bool:
    """Tell what was not told yet; whether anything was killed in this run at all. The caller holds the lock.

    Also true once the group is gone that has counted: a reaper may have been killed just then.
    """
    kills = min(parts.cgroups.oom_kills(record.id), (1 << _COUNT_BITS) - 1)
    if kills:
        events.tell(parts, record)
        number = record.run << _COUNT_BITS | kills
        events.once(parts, record.id, WHAT, number, [events.entry(record, events.OOM, "", {})])
    return events.told(parts, record.id, WHAT) >> _COUNT_BITS == record.run > 0
