"""Networks of a name that a container joins and leaves after it was made, at once if it runs.

The endpoints in the store are the truth; the record tells of them, and follows them after a death in between.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from engine.containers import bundle, events, names, states
from engine.containers.parts import Endpoint, Member, Parts
from engine.containers.record import ContainerRecord
from engine.errors import Conflict, InvalidArgument
from engine.options import modes
from engine.options.networks import Joining, joining_problems


def address(endpoint: Endpoint | None, joined: Sequence[Member]) -> str | None:
    """A container's main address: on the default network, else on the first of its own."""
    if endpoint is not None:
        return endpoint.ip
    return joined[0].ip if joined else None


def told(joined: Sequence[Member]) -> tuple[Mapping[str, Any], ...]:
    """What the record says of endpoints."""
    return tuple(member.as_state() for member in joined)


def join(parts: Parts, record: ContainerRecord, pid: int) -> Sequence[Member]:
    """Put the container's process on all its networks of a name, with the names that it has there."""
    joined = parts.network.join(record.id, pid, names.calling(record.spec))
    _follow_names(parts, record, joined)
    return joined


def connect(parts: Parts, container_id: str, joining: Joining) -> ContainerRecord:
    """Join one more network; the same again changes nothing. Raises as `engine.network.service.Network.connect`."""
    for sentence in joining_problems(joining):
        raise InvalidArgument(f"network: {sentence}", {"field": "network"})
    with parts.catalog.locked(container_id):
        record = _joinable(parts.catalog.get(container_id))
        pid, calling = _pid(record), names.calling(record.spec)
        member = parts.network.connect(container_id, joining, pid, record.spec.dns, calling)
        return _follow(parts, record, "connect", str(member.as_state()["network"]))


def disconnect(parts: Parts, container_id: str, network: str) -> ContainerRecord:
    """Leave a network. Raises as `engine.network.service.Network.disconnect`."""
    with parts.catalog.locked(container_id):
        record = _joinable(parts.catalog.get(container_id))
        name = next(
            (str(one["network"]) for one in record.networks if network in (one["network"], one["network_id"])), ""
        )
        parts.network.disconnect(container_id, network, _pid(record))
        return _follow(parts, record, "disconnect", name or network)


def follow_endpoints(parts: Parts, record: ContainerRecord) -> str | None:
    """For recovery: let the record tell of the endpoints that are there. A line if it did not."""
    if told(parts.network.endpoints(record.id)) == record.networks:
        return None
    _follow(parts, record)
    return f"wrote down the networks of container {record.name}, whose change was cut short"


def _follow(parts: Parts, record: ContainerRecord, action: str = "", network: str = "") -> ContainerRecord:
    joined = parts.network.endpoints(record.id)
    _follow_names(parts, record, joined)
    networks = told(joined)
    if networks == record.networks:
        return record
    changes: dict[str, Any] = {"networks": networks}
    if not modes.is_on_bridge(record.spec) and record.status in states.ALIVE:
        changes["ip_address"] = address(None, joined)
    changed = record.with_changes(**changes)
    news = [events.of_joining(action, record, network)] if action else []
    return events.change(parts, changed, *news, events.of(events.UPDATED, changed=["networks"]))


def _follow_names(parts: Parts, record: ContainerRecord, joined: Sequence[Member]) -> None:
    directory = parts.catalog.directory(record.id)
    bundle.follow_networks(directory, record.spec, parts.network.resolv_conf(), embedded=bool(joined))


def _joinable(record: ContainerRecord) -> ContainerRecord:
    if not modes.has_network(record.spec):
        raise Conflict(
            f"Container {record.name} has network {record.spec.network[:40]}, so it joins no other: make it anew, on "
            "a network of a name",
            {"field": "network"},
        )
    return record


def _pid(record: ContainerRecord) -> int | None:
    return record.pid if record.status in states.ALIVE else None
