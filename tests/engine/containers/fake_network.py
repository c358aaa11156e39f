"""The stand-in for the host's networks; its part of the world is `World.addresses`, `members`, `published`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from engine.errors import NotFound

if TYPE_CHECKING:
    from tests.engine.containers.fakes import World


@dataclass(frozen=True)
class FakeEndpoint:
    ip: str
    gateway: str = "172.30.0.1"


@dataclass(frozen=True)
class FakePublished:
    container: int
    host: int
    protocol: str
    address: str


@dataclass(frozen=True)
class FakeMember:
    ip: str
    network: str
    gateway: str = "172.31.0.1"
    ip6: str | None = None

    def as_state(self) -> dict[str, Any]:
        return {"network": self.network, "network_id": self.network, "ip": self.ip}


class FakeNetwork:
    def __init__(self, world: World) -> None:
        self.world = world

    def ensure(self) -> None:
        self.world.step("network.ensure")

    def allocate(self, container_id: str, /) -> FakeEndpoint:
        self.world.step("network.allocate")
        ip = self.world.addresses.setdefault(container_id, f"172.30.0.{len(self.world.addresses) + 2}")
        return FakeEndpoint(ip)

    def attach(self, container_id: str, pid: int, /) -> FakeEndpoint:
        self.world.step("network.attach")
        assert self.world.processes.get(container_id) == "waiting", "attach belongs between create and start"
        self.world.attached.add(container_id)
        return FakeEndpoint(self.world.addresses[container_id])

    def is_on_default(self, container_id: str, /) -> bool:
        return container_id in self.world.addresses

    def connect_default(self, container_id: str, pid: int | None, /) -> FakeEndpoint:
        self.world.step("network.connect_default")
        return self.allocate(container_id)

    def disconnect_default(self, container_id: str, pid: int | None, /) -> None:
        self.world.step("network.disconnect_default")
        self.world.addresses.pop(container_id)

    def require(self, joinings: Any, /) -> None:
        """All are there."""

    def has(self, network_id: str, /) -> bool:
        return network_id not in self.world.networks_gone

    def reserve(self, container_id: str, joinings: Any, /, *, servers: Any = ()) -> list[FakeMember]:
        self.world.step("network.reserve")
        members = self.world.members.setdefault(container_id, [])
        members += [FakeMember(f"172.31.0.{len(members) + 2}", one.network) for one in joinings]
        return members

    def join(self, container_id: str, pid: int, calling: Any = None, /) -> list[FakeMember]:
        return self.world.members.get(container_id, [])

    def rename(self, container_id: str, name: str, /) -> None:
        self.world.step("network.rename")

    def connect(
        self, container_id: str, joining: Any, pid: int | None, servers: Any = (), calling: Any = None, /
    ) -> FakeMember:
        self.world.step("network.connect")
        if joining.network in self.world.networks_gone:
            raise NotFound(f"There is no network {joining.network} on this host")
        return self.reserve(container_id, [joining])[-1]

    def disconnect(self, container_id: str, network: str, pid: int | None, /) -> None:
        self.world.step("network.disconnect")
        members = self.world.members.get(container_id, [])
        self.world.members[container_id] = [member for member in members if member.network != network]

    def endpoints(self, container_id: str, /) -> list[FakeMember]:
        return self.world.members.get(container_id, [])

    def publish(self, container_id: str, ports: Any, /) -> list[FakePublished]:
        self.world.step("network.publish")
        self.world.published[container_id] = [
            FakePublished(port.container, port.host or 40000, port.protocol, port.address) for port in ports
        ]
        return self.world.published[container_id]

    def can_publish(self, container_id: str, address: str, /) -> bool:
        return container_id in self.world.addresses or bool(self.world.members.get(container_id))

    def republish(self, container_id: str, ports: Any, /) -> list[FakePublished]:
        self.world.step("network.republish")
        before = {(port.container, port.protocol): port.host for port in self.world.published.get(container_id, ())}
        self.world.published[container_id] = [
            FakePublished(
                port.container,
                port.host or before.get((port.container, port.protocol), 41000),
                port.protocol,
                port.address,
            )
            for port in ports
        ]
        return self.world.published[container_id]

    def published(self, container_id: str, /) -> list[FakePublished]:
        return self.world.published.get(container_id, [])

    def unpublish(self, container_id: str, /) -> None:
        self.world.step("network.unpublish")
        self.world.published.pop(container_id, None)

    def release(self, container_id: str, /) -> None:
        self.world.step("network.release")
        self.world.published.pop(container_id, None)
        self.world.addresses.pop(container_id, None)
        self.world.members.pop(container_id, None)
        self.world.aside.pop(container_id, None)

    def set_aside(self, container_id: str, heir: str, /) -> None:
        self.world.step("network.set_aside")
        self.world.aside[container_id] = [
            *self.world.members.pop(container_id, []),
            *self.world.aside.get(container_id, []),
        ]

    def take_back(self, container_id: str, /) -> None:
        self.world.step("network.take_back")
        if container_id in self.world.aside:
            self.world.members[container_id] = self.world.aside.pop(container_id)

    def reconcile(self, live: Any, /, keep: Any = (), others: Any = tuple) -> None:
        self.world.step("network.reconcile")
        for container_id in set(self.world.addresses) - set(live) - set(keep):
            del self.world.addresses[container_id]

    def resolv_conf(self) -> str:
        return "nameserver 192.0.2.1\n"
