"""Starts that were cut short: told apart from starts that were done, and taken back.

    the starter died …                        the record says    the process           so
    before runtime.start                      what it said       waits, or isn't there   `clear`
    between the record and exec               running            waits                   `settle_birth` takes it back
    after exec                                running            is the program          it runs: nothing to do

The kernel tells a process that waits from one that is the program (PF_FORKNOEXEC), so a program that has run
is never run a second time for the same start. Whoever holds the container's lock knows that nobody else is
just starting it.
"""

from __future__ import annotations

import time

from engine.containers import events, states
from engine.containers.parts import Parts
from engine.containers.record import ContainerRecord


def clear(parts: Parts, container_id: str) -> None:
    """Remove what an attempt that was cut short may have left in the kernel."""
    parts.runtime.abort(parts.catalog.directory(container_id))
    parts.cgroups.remove(container_id)
    parts.network.unpublish(container_id)


def settle_birth(parts: Parts, record: ContainerRecord) -> ContainerRecord:
    """The record as it is once a start that hangs between record and exec is taken back. Others stay as they are."""
    directory = parts.catalog.directory(record.id)
    if record.status not in states.ALIVE:
        if parts.runtime.is_alive(directory):
            clear(parts, record.id)
        return record
    if parts.runtime.has_executed(directory) or not parts.runtime.withdraw(directory):
        return record
    clear(parts, record.id)
    back = record.with_changes(**{"pid": None, "ports": (), **record.before})
    if back.status == states.RESTARTING:
        back = back.with_changes(restart_at=time.time())
    kind = events.RESTARTING if back.status == states.RESTARTING else events.SETTLED
    back = events.instead(parts, back, events.of(kind))
    if back.status != states.RESTARTING:
        parts.catalog.unmark_live(record.id)
    return back
