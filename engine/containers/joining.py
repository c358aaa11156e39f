"""Networks of a name that a container joins and leaves after it was made, at once if it runs.

The endpoints in the store are the truth; the record tells of them, and follows them after a death in between.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from engine.containers import bundle, events, names, publishing, states
from engine.containers.parts import Endpoint, Member, Parts
from engine.containers.record import ContainerRecord
from engine.containers.undo import Undo
from engine.errors import Conflict, DataCorrupt, InvalidArgument, NotFound
from engine.options import modes, networks
from engine.options.networks import Joining, joining_problems

_KEPT = ("network_id", "network", "aliases")
"""What is still of use of an endpoint whose network was removed."""


def address(endpoint: Endpoint | None, joined: Sequence[Member]) -> str | None:
    """A container's main address: on the default network, else on the first of its own."""
    if endpoint is not None:
        return endpoint.ip
    return joined[0].ip if joined else None


def told(joined: Sequence[Member]) -> tuple[Mapping[str, Any], ...]:
    """What the record says of endpoints."""
    return tuple(member.as_state() for member in joined)


def rejoin(parts: Parts, record: ContainerRecord) -> ContainerRecord:
    """Before a first start: what was made for a network of a name, joins another one that was made under it since.

    As with Docker, which looks for the name then. Who has run was on that very network, and isn't on another one.
    Raises Conflict for an address that somebody else has there.
    """
    if not record.networks_gone or record.started_at is not None:
        return record
    wished = {one.network: one for one in networks.of_container(record.spec)}
    for gone in record.networks_gone:
        name, network_id = str(gone["network"]), str(gone["network_id"])
        one = (
            wished.get(name)
            or wished.get(network_id)
            or Joining(network=name, aliases=tuple(gone.get("aliases") or ()))
        )
        with contextlib.suppress(NotFound):
            parts.network.connect(record.id, replace(one, network=name), None, record.spec.dns)
    return _follow(parts, record)


def require_networks(record: ContainerRecord) -> None:
    """Raise NotFound if a network that it is meant to be on was removed: it starts on all of its networks or not."""
    for one in record.networks_gone:
        raise _gone(record, one)


def join(parts: Parts, record: ContainerRecord, pid: int) -> Sequence[Member]:
    """Put the container's process on all its networks of a name, with the names that it has there.

    Raises NotFound as `require_networks`, also where the record doesn't say yet that a network is gone.
    """
    joined = parts.network.join(record.id, pid, names.calling(record.spec))
    if len(joined) < len(record.networks):
        for one in _left_behind(parts, record, told(joined)):
            raise _gone(record, one)
    _follow_names(parts, record, joined)
    return joined


def connect(parts: Parts, container_id: str, joining: Joining) -> ContainerRecord:
    """Join one more network; the same again changes nothing. Raises as `engine.network.service.Network.connect`,
    Conflict for a port that is to be published there and in use; then it has not joined.
    """
    for sentence in joining_problems(joining):
        raise InvalidArgument(f"network: {sentence}", {"field": "network"})
    with parts.catalog.locked(container_id):
        record = _joinable(parts.catalog.get(container_id))
        pid, calling = _pid(record), names.calling(record.spec)
        before = {one["network_id"] for one in told(parts.network.endpoints(container_id))}
        with Undo() as undo:
            member = parts.network.connect(container_id, joining, pid, record.spec.dns, calling).as_state()
            if member["network_id"] not in before:
                undo.add(parts.network.disconnect, container_id, member["network_id"], pid)
            if pid is not None:
                publishing.complete(parts, record)
        return _follow(parts, record, "connect", str(member["network"]))


def disconnect(parts: Parts, container_id: str, network: str, called: str = "") -> ContainerRecord:
    """Leave a network, or let go of one that was removed. Raises as `engine.network.service.Network.disconnect`.

    `called`: the word by which it was asked for, if that is another than `network`.
    """
    with parts.catalog.locked(container_id):
        record = _joinable(parts.catalog.get(container_id))
        if all(network not in (one["network"], one["network_id"]) for one in record.networks):
            gone = record.networks_gone
            kept = tuple(one for one in gone if not {network, called} & {one["network"], one["network_id"]})
            if kept != gone:
                changed = record.with_changes(networks_gone=kept)
                return events.change(parts, changed, events.of(events.UPDATED, changed=["networks"]))
        name = next(
            (str(one["network"]) for one in record.networks if network in (one["network"], one["network_id"])), ""
        )
        parts.network.disconnect(container_id, network, _pid(record))
        return _follow(parts, record, "disconnect", name or network)


def connect_default(parts: Parts, container_id: str) -> ContainerRecord:
    """Join the default network; again, nothing changes. Raises as `engine.network.default.DefaultNetwork.connect`."""
    with parts.catalog.locked(container_id):
        record = _joinable(parts.catalog.get(container_id))
        pid, was_on_it = _pid(record), parts.network.is_on_default(container_id)
        with Undo() as undo:
            parts.network.connect_default(container_id, pid)
            if not was_on_it:
                undo.add(parts.network.disconnect_default, container_id, pid)
            if pid is not None:
                publishing.complete(parts, record)
        return _follow(parts, record, "connect", events.NETWORK)


def disconnect_default(parts: Parts, container_id: str) -> ContainerRecord:
    """Leave the default network. Raises as `engine.network.default.DefaultNetwork.disconnect`."""
    with parts.catalog.locked(container_id):
        record = _joinable(parts.catalog.get(container_id))
        parts.network.disconnect_default(container_id, _pid(record))
        return _follow(parts, record, "disconnect", events.NETWORK)


def rest(parts: Parts, container_id: str) -> None:
    """Let its endpoints say that it doesn't run, if it doesn't: an end leaves that to whoever wants to know."""
    with contextlib.suppress(NotFound, DataCorrupt):
        if parts.catalog.get(container_id).status in states.ALIVE:
            return
        with parts.catalog.locked(container_id):
            if parts.catalog.get(container_id).status not in states.ALIVE:
                parts.network.unpublish(container_id)


def follow(parts: Parts, container_id: str) -> None:
    """A network was removed that it was on while it didn't run: let the record tell so. A removed one is no error."""
    with contextlib.suppress(NotFound, DataCorrupt), parts.catalog.locked(container_id):
        follow_endpoints(parts, parts.catalog.get(container_id))


def follow_endpoints(parts: Parts, record: ContainerRecord) -> str | None:
    """For recovery: let the record tell of the endpoints that are there. A line if it did not."""
    if told(parts.network.endpoints(record.id)) == record.networks and not _is_behind(parts, record):
        return None
    _follow(parts, record)
    return f"wrote down the networks of container {record.name}, whose change was cut short"


def _follow(parts: Parts, record: ContainerRecord, action: str = "", network: str = "") -> ContainerRecord:
    joined = parts.network.endpoints(record.id)
    _follow_names(parts, record, joined)
    found = told(joined)
    ports = publishing.present(parts, record) if record.status in states.ALIVE else record.ports
    if (found, ports) == (record.networks, record.ports) and not _is_behind(parts, record):
        return record
    known = {str(one["network"]) for one in found}
    gone = (*record.networks_gone, *_left_behind(parts, record, found))
    changes: dict[str, Any] = {
        "networks": found,
        "networks_gone": tuple(one for one in gone if one["network"] not in known),
        "ports": ports,
    }
    is_there = parts.network.is_on_default(record.id)
    if modes.has_network(record.spec):
        changes["on_default"] = None if is_there == modes.is_on_bridge(record.spec) else is_there
    if record.status in states.ALIVE:
        changes["ip_address"] = address(parts.network.allocate(record.id) if is_there else None, joined)
    changed = record.with_changes(**changes)
    news = [events.of_joining(action, record, network)] if action else []
    return events.change(parts, changed, *news, events.of(events.UPDATED, changed=["networks"]))


def is_on_default(parts: Parts, record: ContainerRecord) -> bool:
    """Whether a start puts it on the default network: also where a death has kept the record from telling so."""
    return record.is_on_default or _is_behind(parts, record)


def _is_behind(parts: Parts, record: ContainerRecord) -> bool:
    """Whether it has joined or left the default network, and the record doesn't tell."""
    return modes.has_network(record.spec) and parts.network.is_on_default(record.id) != record.is_on_default


def _left_behind(
    parts: Parts, record: ContainerRecord, found: Sequence[Mapping[str, Any]]
) -> Sequence[Mapping[str, Any]]:
    """What the record says of networks that aren't among those `found`, since they were removed: who they were."""
    left = {one["network_id"] for one in record.networks} - {one["network_id"] for one in found}
    return [
        {name: one.get(name) for name in _KEPT}
        for one in record.networks
        if one["network_id"] in left and not parts.network.has(str(one["network_id"]))
    ]


def _gone(record: ContainerRecord, network: Mapping[str, Any]) -> NotFound:
    name = network["network"]
    return NotFound(
        f"network {network['network_id']} not found: {name} was removed; disconnect container {record.name} from "
        f"{name}, and connect it to another one",
        {"field": "network"},
    )


def _follow_names(parts: Parts, record: ContainerRecord, joined: Sequence[Member]) -> None:
    directory = parts.catalog.directory(record.id)
    bundle.follow_networks(directory, record.spec, parts.network.resolv_conf, embedded=bool(joined))


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
