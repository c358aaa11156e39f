"""`Network`: what the rest of the engine uses. Records first, then the kernel; what is missing there is restored."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Network
from pathlib import Path

from engine.config import EngineConfig
from engine.errors import Conflict
from engine.network.addressing import Subnet
from engine.network.bridge import Bridge, Endpoint, foreign_networks
from engine.network.default import DefaultNetwork
from engine.network.dns.naming import Naming
from engine.network.dns.records import Calling
from engine.network.fences import Fences
from engine.network.firewall import Zone
from engine.network.lans import Lans, Member
from engine.network.named import NamedNetworks
from engine.network.netlink import NETLINK_NETFILTER, SharedNetlink
from engine.network.pool import Pool
from engine.network.ports import Ports, PortSpec, Published
from engine.network.publication import Publication, version_of
from engine.network.refusals import refusals_explained
from engine.network.resolver import resolv_conf
from engine.network.walls import Walls
from engine.network.wires import Wires
from engine.options.networks import Joining
from engine.store.database import Store

log = logging.getLogger(__name__)


class Network:
    """The networks of one home: the default one, a bridge, and those of a name (`named`).

    Safe for many threads and processes.

    Everything may be called again after a crash at any point: records are idempotent by container id, and
    `reconcile` makes the kernel match them.
    """

    def __init__(self, config: EngineConfig, store: Store) -> None:
        self._config = config
        self._pool = Pool(store)
        self._netfilter = SharedNetlink(NETLINK_NETFILTER)
        self._walls = Walls(self._netfilter, config.nft_table, config.bridge)
        self._ports = Ports(store, self._walls.elsewhere)
        self._lock_path = config.run / "network.lock"
        wires, self._lans = Wires(config.bridge), Lans(store)
        self._publication = Publication(self._ports, self._walls, self._pool, self._lans)
        self._fences = Fences(self._netfilter, config.nft_table, wires)
        self._wires = wires
        self._naming = Naming(config, store, self._lans)
        self.named = NamedNetworks(
            self._lans,
            wires,
            self._fences,
            lock=self._lock,
            rebuild=lambda: self._ensure(rebuild=True),
            own=self._pool.subnet,
            seed=int(config.tag, 16),
        )
        self._default = DefaultNetwork(
            config.bridge,
            self._pool,
            self._lans,
            self._fences,
            self._publication,
            lock=self._lock,
            ensure=self.ensure,
            complete=self._make_complete,
            lead_out=self.named.lead_out,
        )

    def ensure(self) -> None:
        """Choose the subnet once, and make bridge and table where they are missing.

        Raises ResourceExhausted when no subnet is free, Conflict when another network took ours; as every method
        does, PermissionDenied without the right to configure networks, Unsupported by a kernel without bridges or
        nftables, and Unavailable for what else the kernel refuses.
        """
        with self._lock(), refusals_explained():
            self._ensure()

    def allocate(self, container_id: str) -> Endpoint:
        """The container's address on the default network, given now if it has none. Raises ResourceExhausted."""
        return self._default.allocate(container_id)

    def attach(self, container_id: str, pid: int) -> Endpoint:
        """As `DefaultNetwork.attach`."""
        return self._default.attach(container_id, pid)

    def is_on_default(self, container_id: str) -> bool:
        return self._default.has(container_id)

    def connect_default(self, container_id: str, pid: int | None) -> Endpoint:
        """As `DefaultNetwork.connect`."""
        return self._default.connect(container_id, pid)

    def disconnect_default(self, container_id: str, pid: int | None) -> None:
        """As `DefaultNetwork.disconnect`."""
        self._default.disconnect(container_id, pid)

    def publish(self, container_id: str, ports: Sequence[PortSpec]) -> list[Published]:
        """Publish all ports for the container's addresses, or none; replaces what it had published.

        Raises InvalidArgument, Conflict when a port is in use or nothing of the container's can be reached,
        ResourceExhausted when no port is free.
        """
        self._publication.require_targets(container_id, ports)
        with self._lock(shared=True), refusals_explained():
            self._publication.withdraw(container_id)
            published = self._ports.reserve(container_id, ports)
            try:
                complete = self._publication.exchange([], self._publication.mappings(container_id, published))
            except BaseException:
                self._publication.withdraw(container_id)
                raise
        self._make_complete(complete)
        return published

    def republish(self, container_id: str, ports: Sequence[PortSpec]) -> list[Published]:
        """Publish exactly these from now on: what is published as asked stays as it is, with the port it was given.

        Connections that live are not cut. Raises as `publish`; then all is as it was.
        """
        self._publication.require_targets(container_id, ports)
        with self._lock(shared=True), refusals_explained():
            before = [
                PortSpec(port.container, port.host, port.protocol, port.address)
                for port in self.published(container_id)
            ]
            published, gone, new = self._ports.exchange(container_id, ports)
            try:
                mappings = self._publication.mappings
                complete = self._publication.exchange(mappings(container_id, gone), mappings(container_id, new))
            except BaseException:
                self._ports.exchange(container_id, before)
                raise
        self._make_complete(complete)
        return published

    def can_publish(self, container_id: str, address: str) -> bool:
        """Whether ports on `address` of the host would lead anywhere."""
        return self._publication.target(container_id, version_of(address)) is not None

    def published(self, container_id: str) -> list[Published]:
        """What the container has published."""
        return self._ports.of(container_id)

    def unpublish(self, container_id: str) -> None:
        """It runs no more: withdraw its ports, and let no name lead to it. Without any, nothing happens."""
        with self._lock(shared=True), refusals_explained():
            self._publication.withdraw(container_id)
        if any(member.is_running for member in self._lans.of(container_id)):
            self._lans.mark_running([container_id], is_running=False)
            self._naming.changed(container_id)

    def release(self, container_id: str) -> None:
        """Withdraw the container's ports and give its addresses back. Its interfaces go with its namespace."""
        self.unpublish(container_id)
        self._pool.release(container_id)
        with refusals_explained():
            if self.named.release(container_id):
                self._naming.forget(container_id)

    def set_aside(self, container_id: str, heir: str) -> None:
        """Of a container that doesn't run: let `heir` have its addresses on networks of a name, and nobody else."""
        with refusals_explained():
            self.named.set_aside(container_id, heir)

    def take_back(self, container_id: str) -> None:
        """Give it back what was set aside, once the heir is gone; if nothing was, nothing happens. Raises Conflict."""
        self.named.take_back(container_id)

    def require(self, joinings: Sequence[Joining]) -> None:
        """Raise NotFound, with the near names, if one of these networks isn't there."""
        for joining in joinings:
            self._lans.get(joining.network)

    def has(self, network_id: str) -> bool:
        """Whether there is a network of this id."""
        return self._lans.has(network_id)

    def reserve(self, container_id: str, joinings: Sequence[Joining], *, servers: Sequence[str] = ()) -> list[Member]:
        """Give a container its endpoints on networks of a name before it runs; the same again is what is there.

        One that is to be on the default network was given its address there. Raises as `Lans.join`; then it has none.
        """
        return self.named.join(container_id, joinings, taken=self._pool.place(container_id), servers=servers)

    def join(self, container_id: str, pid: int, calling: Calling | None = None) -> list[Member]:
        """Put all that the container has on networks of a name into the namespace of `pid`; most have nothing.

        `calling`: what it is called there, and that it wants names answered.
        """
        members = self.named.attach(container_id, pid, has_route=self._pool.address(container_id) is not None)
        if members and calling is not None:
            self._naming.runs(container_id, pid, calling)
        return members

    def connect(
        self,
        container_id: str,
        joining: Joining,
        pid: int | None,
        servers: Sequence[str] = (),
        calling: Calling | None = None,
    ) -> Member:
        """Join one more network, at once if the container runs as `pid`. Raises as `Lans.join`; `calling` as `join`.

        Again, it makes sure that all of it is there.
        """
        has_route = self._pool.address(container_id) is not None
        before = {member.number for member in self._lans.of(container_id)}
        member = self._lans.join(container_id, joining, taken=self._pool.place(container_id), servers=servers)
        if pid is not None and (member.number not in before or not member.is_running):
            try:
                self.named.connect(container_id, pid, member, has_route=has_route)
            except BaseException:
                if member.number not in before:
                    with self._lock(shared=True):
                        self.named.disconnect(member, None, has_route=has_route)
                raise
        if pid is not None and calling is not None:
            self._naming.runs(container_id, pid, calling)
        return member

    def disconnect(self, container_id: str, network: str, pid: int | None) -> None:
        """Leave a network, at once if it runs. Published ports go on by the next one that leads outside, or end.

        Raises NotFound for a network that there isn't; Conflict for one that it isn't on.
        """
        lan = self._lans.get(network)
        member = next((one for one in self._lans.of(container_id) if one.lan.id == lan.id), None)
        if member is None:
            raise Conflict(f"The container is not on network {lan.name}", {"field": "network"})
        has_route = self._pool.address(container_id) is not None
        with self._lock(shared=True), refusals_explained():
            complete = self._publication.lead_on(container_id, member)
            self.named.disconnect(member, pid, has_route=has_route)
        self._make_complete(complete)
        self._naming.changed(container_id)

    def rename(self, container_id: str, name: str) -> None:
        """It is called `name` from now on: as a part of the transaction that is open, if one is."""
        self._naming.rename(container_id, name)

    def endpoints(self, container_id: str) -> list[Member]:
        """The container's endpoints on networks of a name, in the order of its interfaces."""
        return self._lans.of(container_id)

    def reconcile(
        self, live: Mapping[str, int], keep: Collection[str] = (), others: Callable[[], Collection[str]] = tuple
    ) -> None:
        """Make records and kernel match the running containers: id → pid of a process in its namespace.

        Forgets every other container's ports, its address too unless it is in `keep` (it exists, but does not
        run), removes their interfaces and map elements, and
        restores bridge, table, elements and interfaces of the live ones. Call it when no container is being
        started: one that is not in `live` yet would lose its network.

        `others`: what is no container, has an address of the default network and is seen to by somebody else (a RUN of
        a build): left as it is. It names whom an address was given, from before that on.
        """
        for container_id in self._known() - set(live) - set(others()):
            self._ports.forget(container_id)
            if container_id not in keep:
                self._pool.release(container_id)
                self.named.forget(container_id)
        bridge = self._default.bridge()
        with self._lock(), refusals_explained():
            given = self._pool.given()  # nobody is given one while we have the lock
            owners = {given[container_id]: container_id for container_id in (*live, *others()) if container_id in given}
            self._ensure(rebuild=True)
            missing = bridge.put_right(owners.keys())
            self.named.put_right(live, has_route=given.keys())
        for address, container_id in owners.items():
            if container_id not in live:
                continue
            pid, interface = live[container_id], self._default.interface(container_id)
            try:
                if address in missing or not bridge.complete(address, pid, interface):
                    bridge.attach(address, pid, interface)
            except (Conflict, OSError) as error:
                log.warning("container %s could not be put back on the network: %s", container_id, error)
        self._naming.ensure()

    def teardown(self) -> None:
        """Remove bridge, interfaces, table and all records: for the end of a home."""
        for container_id in self._known():
            self._ports.forget(container_id)
            self._pool.release(container_id)
            self.named.forget(container_id)
        with self._lock(), refusals_explained():
            for lan in self._lans.all():
                self._lans.remove(lan)
            self._wires.delete_all()
            self._fences.delete()
            subnet = self._pool.subnet()
            if subnet is not None:
                self._default.bridge().delete()
            self._walls.delete()

    def close(self) -> None:
        """Close the socket to the kernel; it is opened again when needed."""
        self._netfilter.close()

    def resolv_conf(self) -> str:
        """The text of /etc/resolv.conf for a container on this network."""
        return resolv_conf()

    def _ensure(self, *, rebuild: bool = False) -> None:
        seed = int(self._config.tag, 16)
        taken = [network for _, network in foreign_networks(self._wires.bridges)]
        subnet = self._pool.choose([*taken, *(lan.subnet for lan in self._lans.all())], seed)
        clash = next((other for other in taken if subnet.overlaps(other)), None)
        if clash is not None:
            raise Conflict(
                f"The containers' subnet {subnet} overlaps {clash}, which this host now routes elsewhere; remove that "
                "route, or remove all containers so that another subnet can be chosen"
            )
        bridge = Bridge(self._config.bridge, subnet)
        made = bridge.ensure()
        zones = self._zones(subnet)
        if rebuild or made or not self._walls.exist(zones) or not self._fences.exists():
            self._walls.rebuild(self._publication.recorded(), zones)
            cables = {bridge.port_name(address): address for address in self._pool.given().values()}
            self._fences.rebuild(self._lans.all_members(), cables)
            for obstacle in self._walls.obstacles(zones):
                log.warning("%s", obstacle.replace("BRIDGE", self._config.bridge))

    def _make_complete(self, complete: bool) -> None:
        if not complete:
            with self._lock(), refusals_explained():
                self._ensure(rebuild=True)

    def _zones(self, subnet: IPv4Network) -> list[Zone]:
        return [Zone(self._config.bridge, subnet), *self.named.zones()]

    def subnets(self) -> list[Subnet]:
        """Behind which bridges of this home containers are: those of a name, and the default network."""
        own = self._pool.subnet()
        return [*([] if own is None else [own]), *(zone.subnet for zone in self.named.zones())]

    def _known(self) -> set[str]:
        joined = {member.container_id for member in self._lans.all_members()}
        joined |= self._lans.aside.owners()
        return set(self._pool.given()) | {container_id for container_id, _ in self._ports.all()} | joined

    @contextmanager
    def _lock(self, *, shared: bool = False) -> Iterator[None]:
        """Among all processes: alone, to make the kernel match the records; shared, to change both for a port.

        Without it, a table rebuilt from records read a moment ago would bring back a port just withdrawn, or
        lose one just published.
        """
        Path(self._lock_path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
