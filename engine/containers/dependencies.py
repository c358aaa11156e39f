"""Who starts after whom when the host has booted: `depends_on`, by name, and those whose namespaces it shares.

A name that no container has is nobody to wait for. So names can come to stand in a circle only by containers that
are made in turns, which creation refuses, or renamed; whoever stands in one waits for nobody of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.containers import health, sharing, states
from engine.containers.parts import Parts
from engine.containers.record import ContainerRecord
from engine.containers.spec import ContainerSpec
from engine.errors import DataCorrupt, InvalidArgument, NotFound
from engine.options import modes


def refuse_circle(parts: Parts, spec: ContainerSpec) -> None:
    """Raise `InvalidArgument` when a new container would wait for itself, over however many others."""
    way = _way_back(parts, spec.name, spec.depends_on)
    if way:
        raise InvalidArgument(
            f"depends_on: {spec.name} would wait for itself ({' → '.join((spec.name, *way))}); leave one of them out",
            {"field": "depends_on"},
        )


def blocker(parts: Parts, record: ContainerRecord) -> str | None:
    """Why `record` can't be started yet, in words: one that it depends on is on its way, or not healthy. Else None.

    One that rests, since a person has stopped it or it couldn't be started, keeps nobody waiting.
    """
    for name in sharing.starts_after(parts, record.spec):
        other = _named(parts, name)
        if other is None or _way_back(parts, record.name, other.spec.depends_on):
            continue
        if other.status == states.RESTARTING:
            return f"it waits for {name}, which does not run yet"
        if other.status in states.ALIVE and other.health is not None and other.health.status != health.HEALTHY:
            return f"it waits for {name}, which is {other.health.status}"
    return None


def waves(records: Sequence[ContainerRecord]) -> Iterator[list[ContainerRecord]]:
    """All of `records`: each wave once those are started that it depends on; in each, the oldest first. Pure."""
    pending = {record.name: record for record in sorted(records, key=lambda record: record.created_at)}
    while pending:
        ids = {record.id for record in pending.values()}
        ready = [
            record
            for record in pending.values()
            if pending.keys().isdisjoint(record.spec.depends_on) and ids.isdisjoint(modes.targets(record.spec).values())
        ]
        wave = ready or [next(iter(pending.values()))]  # a circle has to be entered somewhere
        for record in wave:
            del pending[record.name]
        yield wave


def _way_back(parts: Parts, goal: str, names: Sequence[str]) -> tuple[str, ...]:
    """The names from one of `names` to `goal`, by what depends on what; empty if there is no way."""
    seen: set[str] = set()
    ways: list[tuple[str, ...]] = [(name,) for name in names]
    while ways:
        way = ways.pop()
        if way[-1] == goal:
            return way
        if way[-1] in seen:
            continue
        seen.add(way[-1])
        other = _named(parts, way[-1])
        ways += [(*way, name) for name in (other.spec.depends_on if other else ())]
    return ()


def _named(parts: Parts, name: str) -> ContainerRecord | None:
    owner = parts.catalog.owner_of(name)
    try:
        return None if owner is None else parts.catalog.get(owner)
    except (NotFound, DataCorrupt):
        return None
