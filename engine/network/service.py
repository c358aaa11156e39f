"""`Network`: what the rest of the engine uses. Records first, then the kernel; what is missing there is restored."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from engine.config import EngineConfig
from engine.errors import Conflict
from engine.network.bridge import Bridge, Endpoint, foreign_networks
from engine.network.firewall import Firewall, forwarding_obstacle
from engine.network.firewall import Mapping as PortMapping
from engine.network.netlink import NETLINK_NETFILTER, NetlinkError, SharedNetlink
from engine.network.pool import Pool
from engine.network.ports import Ports, PortSpec, Published
from engine.network.refusals import refusals_explained
from engine.network.resolver import resolv_conf
from engine.store.database import Store

log = logging.getLogger(__name__)


class Network:
    """The default bridge network of one home. Safe for many threads and processes.

    Everything may be called again after a crash at any point: records are idempotent by container id, and
    `reconcile` makes the kernel match them.
    """

    def __init__(self, config: EngineConfig, store: Store) -> None:
        self._config = config
        self._pool = Pool(store)
        self._ports = Ports(store, self._elsewhere)
        self._netfilter = SharedNetlink(NETLINK_NETFILTER)
        self._lock_path = config.run / "network.lock"

    def ensure(self) -> None:
        """Choose the subnet once, and make bridge and table where they are missing.

        Raises ResourceExhausted when no subnet is free, Conflict when another network took ours; as every method
        does, PermissionDenied without the right to configure networks, Unsupported by a kernel without bridges or
        nftables, and Unavailable for what else the kernel refuses.
        """
        with self._lock(), refusals_explained():
            self._ensure()

    def allocate(self, container_id: str) -> Endpoint:
        """The container's address, given now if it has none. Raises ResourceExhausted."""
        subnet = self._subnet()
        return Endpoint.at(self._pool.allocate(container_id), subnet)

    def attach(self, container_id: str, pid: int) -> Endpoint:
        """Put the network namespace of `pid` on the bridge, with the container's address and a default route.

        The interface goes away with the namespace. Raises Conflict when the process is gone.
        """
        endpoint = self.allocate(container_id)
        address = IPv4Address(endpoint.ip)
        with refusals_explained():
            try:
                self._bridge().attach(address, pid)
            except NetlinkError as error:
                if error.errno not in (errno.ENODEV, errno.ENOENT):
                    raise
                self.ensure()
                self._bridge().attach(address, pid)
        return endpoint

    def publish(self, container_id: str, ports: Sequence[PortSpec]) -> list[Published]:
        """Publish all ports for the container's address, or none; replaces what it had published.

        Raises InvalidArgument, Conflict when a port is in use, ResourceExhausted when no port is free.
        """
        target = IPv4Address(self.allocate(container_id).ip)
        with self._lock(shared=True), refusals_explained():
            self._withdraw(container_id)
            published = self._ports.reserve(container_id, ports)
            try:
                complete = self._add([_mapping(port, target) for port in published])
            except BaseException:
                self._withdraw(container_id)
                raise
        if not complete:
            with self._lock(), refusals_explained():
                self._ensure(rebuild=True)
        return published

    def republish(self, container_id: str, ports: Sequence[PortSpec]) -> list[Published]:
        """Publish exactly these from now on: what is published as asked stays as it is, with the port it was given.

        Connections that live are not cut. Raises as `publish`; then all is as it was.
        """
        target = IPv4Address(self.allocate(container_id).ip)
        with self._lock(shared=True), refusals_explained():
            before = [
                PortSpec(port.container, port.host, port.protocol, port.address)
                for port in self.published(container_id)
            ]
            published, gone, new = self._ports.exchange(container_id, ports)
            try:
                complete = self._exchange(
                    [_mapping(port, target) for port in gone], [_mapping(port, target) for port in new]
                )
            except BaseException:
                self._ports.exchange(container_id, before)
                raise
        if not complete:
            with self._lock(), refusals_explained():
                self._ensure(rebuild=True)
        return published

    def published(self, container_id: str) -> list[Published]:
        """What the container has published."""
        return self._ports.of(container_id)

    def unpublish(self, container_id: str) -> None:
        """Withdraw the container's ports; without any, nothing happens."""
        with self._lock(shared=True), refusals_explained():
            self._withdraw(container_id)

    def release(self, container_id: str) -> None:
        """Withdraw the container's ports and give its address back. Its interface goes with its namespace."""
        self.unpublish(container_id)
        self._pool.release(container_id)

    def reconcile(self, live: Mapping[str, int], keep: Collection[str] = ()) -> None:
        """Make records and kernel match the running containers: id → pid of a process in its namespace.

        Forgets every other container's ports, its address too unless it is in `keep` (it exists, but does not
        run), removes their interfaces and map elements, and
        restores bridge, table, elements and interfaces of the live ones. Call it when no container is being
        started: one that is not in `live` yet would lose its network.
        """
        for container_id in self._known() - set(live):
            self._ports.forget(container_id)
            if container_id not in keep:
                self._pool.release(container_id)
        bridge, given = self._bridge(), self._pool.given()
        owners = {given[container_id]: container_id for container_id in live if container_id in given}
        with self._lock(), refusals_explained():
            self._ensure(rebuild=True)
            missing = bridge.put_right(owners.keys())
        for address in missing:
            try:
                bridge.attach(address, live[owners[address]])
            except (Conflict, OSError) as error:
                log.warning("container %s could not be put back on the network: %s", owners[address], error)

    def teardown(self) -> None:
        """Remove bridge, interfaces, table and all records: for the end of a home."""
        for container_id in self._known():
            self._ports.forget(container_id)
            self._pool.release(container_id)
        with self._lock(), refusals_explained():
            subnet = self._pool.subnet()
            if subnet is not None:
                self._bridge().delete()
                self._firewall(subnet).delete()

    def close(self) -> None:
        """Close the socket to the kernel; it is opened again when needed."""
        self._netfilter.close()

    def resolv_conf(self) -> str:
        """The text of /etc/resolv.conf for a container on this network."""
        return resolv_conf()

    def _ensure(self, *, rebuild: bool = False) -> None:
        seed = int(self._config.tag, 16)
        taken = foreign_networks(self._config.bridge)
        subnet = self._pool.choose(taken, seed)
        clash = next((other for other in taken if subnet.overlaps(other)), None)
        if clash is not None:
            raise Conflict(
                f"The containers' subnet {subnet} overlaps {clash}, which this host now routes elsewhere; remove that "
                "route, or remove all containers so that another subnet can be chosen"
            )
        made = Bridge(self._config.bridge, subnet).ensure()
        firewall = self._firewall(subnet)
        if rebuild or made or not firewall.exists():
            firewall.rebuild(self._recorded())
            obstacle = forwarding_obstacle(self._netfilter)
            if obstacle:
                log.warning("%s", obstacle.replace("BRIDGE", self._config.bridge))

    def _add(self, mappings: list[PortMapping]) -> bool:
        """False when the table is missing or has what no record has; then it must be rebuilt."""
        return self._exchange([], mappings)

    def _exchange(self, gone: list[PortMapping], new: list[PortMapping]) -> bool:
        if not gone and not new:
            return True
        try:
            self._firewall(self._subnet()).exchange(gone, new)
        except NetlinkError as error:
            if error.errno not in (errno.ENOENT, errno.EEXIST):
                raise
            return False
        return True

    def _withdraw(self, container_id: str) -> None:
        """Take the container's ports from the kernel, then from the record: what is recorded can be found again."""
        ports, address = self._ports.of(container_id), self._pool.address(container_id)
        if ports and address is not None:
            self._firewall(self._subnet()).remove([_mapping(port, address) for port in ports])
        self._ports.forget(container_id)

    def _recorded(self) -> Iterable[PortMapping]:
        given = self._pool.given()
        return [_mapping(port, given[owner]) for owner, port in self._ports.all() if owner in given]

    def _known(self) -> set[str]:
        return set(self._pool.given()) | {container_id for container_id, _ in self._ports.all()}

    def _elsewhere(self, protocol: str, port: int) -> list[IPv4Address]:
        return [mapping.address for mapping in self._firewall(self._subnet()).elsewhere(protocol, port)]

    def _subnet(self) -> IPv4Network:
        subnet = self._pool.subnet()
        if subnet is None:
            self.ensure()
            subnet = self._pool.subnet()
            assert subnet is not None
        return subnet

    def _bridge(self) -> Bridge:
        return Bridge(self._config.bridge, self._subnet())

    def _firewall(self, subnet: IPv4Network) -> Firewall:
        return Firewall(self._netfilter, self._config.nft_table, self._config.bridge, subnet)

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


def _mapping(port: Published, target: IPv4Address) -> PortMapping:
    return PortMapping(IPv4Address(port.address), port.protocol, port.host, target, port.container)
