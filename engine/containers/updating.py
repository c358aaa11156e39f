"""Update: other limits and another restart policy, for the processes that run and for the next start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.containers import events, limits, states
from engine.containers.parts import Parts
from engine.containers.record import ContainerRecord
from engine.containers.spec import validate
from engine.errors import InvalidArgument
from engine.options.changing import CHANGEABLE, merged


def update(parts: Parts, container_id: str, changes: Mapping[str, Any]) -> ContainerRecord:
    """Make `changes` (a field of `CHANGEABLE` → its value, None for no limit) and return the record.

    They are checked as at a creation. Raises `InvalidArgument` or `Unsupported` with the field's name, also for a
    limit that what runs is already beyond; then everything is as it was.
    """
    unknown = sorted(set(changes) - set(CHANGEABLE))
    if unknown:
        raise InvalidArgument(
            f"{unknown[0]} can't be changed of a container that exists; make a new one like it", {"field": unknown[0]}
        )
    with parts.catalog.locked(container_id):
        record = parts.catalog.get(container_id)
        present = {name: getattr(record.spec, name) for name in CHANGEABLE}
        spec = replace(record.spec, **merged(present, changes))
        if spec == record.spec:
            return record
        validate(spec)
        old, new = limits.resources(record.spec), limits.resources(spec)
        if record.status in states.ALIVE:
            parts.cgroups.change(container_id, old, new)
        return events.change(parts, record.with_changes(spec=spec), events.of(events.UPDATED))
