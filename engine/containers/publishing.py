"""Published ports of a container that runs: which they are, exchanged for others while its connections live on."""

from __future__ import annotations

from collections.abc import Sequence

from engine.containers.parts import Parts, Published
from engine.containers.record import ContainerRecord, PublishedPort
from engine.containers.spec import PortMapping
from engine.errors import Conflict
from engine.network.ports import OF_CONTAINER, PortSpec

LOOPBACK = "127.0.0.1"


def wanted(record: ContainerRecord) -> tuple[PortMapping, ...]:
    """Those that were named, and with publish_all a free one for each other that is exposed."""
    named = {(port.container, port.protocol) for port in record.spec.ports}
    exposed = (text.partition("/")[::2] for text in record.exposed)
    at = record.spec.publish_address or LOOPBACK
    more = [PortMapping(container=int(port), protocol=protocol, address=at) for port, protocol in exposed]
    return (*record.spec.ports, *(port for port in more if (port.container, port.protocol) not in named))


def publish(parts: Parts, record: ContainerRecord) -> tuple[PublishedPort, ...]:
    """For a run that begins; who has run may have left the networks by which its ports led anywhere, and runs without.

    Raises what `Network.publish` does; a conflict says which container has the port.
    """
    ports = wanted(record)
    if record.started_at is not None or not (
        parts.network.is_on_default(record.id) or parts.network.endpoints(record.id)
    ):
        ports = tuple(port for port in ports if parts.network.can_publish(record.id, port.address))
    if not ports:
        return ()
    try:
        return _published(parts.network.publish(record.id, ports))
    except Conflict as error:
        raise _named(parts, error) from error


def republish(
    parts: Parts, container_id: str, ports: Sequence[PortMapping | PublishedPort]
) -> tuple[PublishedPort, ...]:
    """Publish exactly these of a run from now on; what stays is not touched. Raises as `publish`, changing nothing."""
    try:
        exact = [PortSpec(one.container, one.host, one.protocol, one.address, _last(one)) for one in ports]
        return _published(parts.network.republish(container_id, exact))
    except Conflict as error:
        raise _named(parts, error) from error


def complete(parts: Parts, record: ContainerRecord) -> None:
    """It has joined a network while it runs: publish what was asked for and led nowhere. Raises as `republish`."""
    ports = wanted(record)
    if len(parts.network.published(record.id)) < len(ports):
        republish(parts, record.id, [port for port in ports if parts.network.can_publish(record.id, port.address)])


def present(parts: Parts, record: ContainerRecord) -> tuple[PublishedPort, ...]:
    """What is published, in the order of the record as far as that knows it."""
    found = _published(parts.network.published(record.id))
    return (*(one for one in record.ports if one in found), *(one for one in found if one not in record.ports))


def follow_record(parts: Parts, record: ContainerRecord) -> str | None:
    """For recovery: publish what the record of a run says, if an exchange was cut short. A line if it was."""
    if set(_published(parts.network.published(record.id))) == set(record.ports):
        return None
    try:
        republish(parts, record.id, record.ports)
    except Conflict as error:  # another container took what was free for a moment
        return f"container {record.name} lacks a port that it had: {error.message}"
    return f"published the ports of container {record.name} again, whose change was cut short"


def _last(port: PortMapping | PublishedPort) -> int | None:
    """What is published already has one port."""
    return port.host_last if isinstance(port, PortMapping) else None


def _published(ports: Sequence[Published]) -> tuple[PublishedPort, ...]:
    return tuple(
        PublishedPort(container=port.container, host=port.host, protocol=port.protocol, address=port.address)
        for port in ports
    )


def _named(parts: Parts, error: Conflict) -> Conflict:
    """The same, with the name of the container that has the port; people know no ids."""
    user = str(error.detail.get("user", ""))
    short = user.removeprefix(OF_CONTAINER)
    names = [name for name, holder in parts.catalog.names().items() if holder.startswith(short)]
    if not user.startswith(OF_CONTAINER) or len(names) != 1:
        return error
    return Conflict(error.message.replace(user, f"{OF_CONTAINER}{names[0]}"), {**error.detail, "field": "ports"})
