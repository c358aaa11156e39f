"""Rename: another name for a container, whatever it does just now.

Host name and /etc/hosts stay as they are, as Docker leaves them: they come from the request or the id. The table of
names is what counts; `recovery` lets a record follow it that a crash has left behind.
"""

from __future__ import annotations

from dataclasses import replace

from engine.containers import events
from engine.containers.parts import Parts
from engine.containers.record import ContainerRecord
from engine.containers.spec import check_name


def rename(parts: Parts, container_id: str, name: str) -> ContainerRecord:
    """Give it `name`; one that has it already is left alone.

    Raises `InvalidArgument` for what can't be a name, `AlreadyExists` when another container has it.
    """
    check_name(name)
    with parts.catalog.locked(container_id):
        record = parts.catalog.get(container_id)
        if record.name == name:
            return record
        events.tell(parts, record)
        renamed = record.with_changes(spec=replace(record.spec, name=name))
        try:
            with parts.store.transaction():
                parts.catalog.change_name(name, container_id)
                events.append(parts.journal, events.RENAMED, renamed, old_name=record.name)
                parts.catalog.save(renamed)
                parts.network.rename(container_id, name)
        except BaseException:
            parts.catalog.save(record)
            raise
        return renamed


def follow_table(parts: Parts, container_id: str) -> list[str]:
    """For recovery: let the record say the name under which the container is known. A line when it did not."""
    with parts.catalog.locked(container_id, wait=False):
        record = parts.catalog.get(container_id)
        name = next(name for name, owner in parts.catalog.names().items() if owner == container_id)
        if record.name == name:
            return []
        parts.catalog.save(record.with_changes(spec=replace(record.spec, name=name)))
        return [f"container {container_id[:12]} is called {name}, and not {record.name}"]
