"""Update: other limits, ports, labels or another restart policy, for what runs and for the next start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from engine.containers import events, limits, publishing, states
from engine.containers.parts import Parts
from engine.containers.record import ContainerRecord
from engine.containers.spec import ContainerSpec, PortMapping, validate
from engine.containers.undo import Undo
from engine.errors import InvalidArgument
from engine.options import modes
from engine.options.changing import CHANGEABLE, IN_PART, merged


def update(parts: Parts, container_id: str, changes: Mapping[str, Any]) -> ContainerRecord:
    """Make `changes` (a field of `CHANGEABLE` or `IN_PART` → its value, None for no limit) and return the record.

    They are checked as at a creation. Raises `InvalidArgument` or `Unsupported` with the field's name, also for a
    limit that what runs is already beyond, `Conflict` for a port that somebody else has; then everything is as it was.
    A death in between leaves the record as it was: recovery lets the ports follow it (`publishing.follow_record`).
    """
    unknown = sorted(set(changes) - {*CHANGEABLE, *IN_PART})
    if unknown:
        raise InvalidArgument(
            f"{unknown[0]} can't be changed of a container that exists; make a new one like it", {"field": unknown[0]}
        )
    with parts.catalog.locked(container_id):
        record = parts.catalog.get(container_id)
        spec = replace(record.spec, **_merged(record.spec, changes))
        if spec == record.spec:
            return record
        validate(spec)
        changed = record.with_changes(spec=spec)
        told = events.of(events.UPDATED, changed=[name for name in CHANGEABLE if _differs(record.spec, spec, name)])
        if record.status not in states.ALIVE:
            return events.change(parts, changed, told)
        with Undo() as undo:
            old, new = limits.resources(record.spec), limits.resources(spec)
            parts.cgroups.change(container_id, old, new)
            undo.add(parts.cgroups.change, container_id, new, old)
            if spec.ports != record.spec.ports and modes.has_network(spec):
                ports = publishing.republish(parts, container_id, publishing.wanted(changed))
                undo.add(publishing.republish, parts, container_id, record.ports)
                changed = changed.with_changes(ports=ports)
            undo.add(parts.catalog.save, record)
            return events.change(parts, changed, told)


def _merged(spec: ContainerSpec, changes: Mapping[str, Any]) -> dict[str, Any]:
    present = {name: getattr(spec, name) for name in CHANGEABLE}
    values = merged({**present, "ports": [asdict(port) for port in spec.ports]}, changes)
    return {**values, "ports": tuple(PortMapping(**port) for port in values["ports"])}


def _differs(one: ContainerSpec, other: ContainerSpec, name: str) -> bool:
    return bool(getattr(one, name) != getattr(other, name))
