"""The default network: a container's address on it, its interface there, and the way to the world by it.

Whether a container is on it, its address in the pool tells. Records first, then the kernel; `service` has the lock.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from contextlib import AbstractContextManager
from ipaddress import IPv4Address, IPv4Network

from engine.errors import Conflict
from engine.network.bridge import Bridge, Endpoint
from engine.network.fences import Fences
from engine.network.lans import Lans, free_place
from engine.network.netlink import NetlinkError
from engine.network.pool import Pool
from engine.network.publication import DEFAULT, Publication
from engine.network.refusals import refusals_explained


class DefaultNetwork:
    """`ensure` makes what is missing of it in the kernel; `complete` makes the tables anew unless it is told True;
    `lead_out` lets a container's process reach the world by another network."""

    def __init__(
        self,
        name: str,
        pool: Pool,
        lans: Lans,
        fences: Fences,
        publication: Publication,
        *,
        lock: Callable[..., AbstractContextManager[None]],
        ensure: Callable[[], None],
        complete: Callable[[bool], None],
        lead_out: Callable[[str, int], None],
    ) -> None:
        self._name, self._pool, self._lans = name, pool, lans
        self._fences, self._publication = fences, publication
        self._lock, self._ensure, self._complete, self._lead_out = lock, ensure, complete, lead_out

    def subnet(self) -> IPv4Network:
        """Its subnet, chosen now if there is none."""
        subnet = self._pool.subnet()
        if subnet is None:
            self._ensure()
            subnet = self._pool.subnet()
            assert subnet is not None
        return subnet

    def bridge(self) -> Bridge:
        return Bridge(self._name, self.subnet())

    def has(self, container_id: str) -> bool:
        """Whether the container is on it."""
        return self._pool.address(container_id) is not None

    def allocate(self, container_id: str) -> Endpoint:
        """The container's address, given now if it has none. Raises ResourceExhausted."""
        subnet, address = self.subnet(), self._pool.address(container_id)
        if address is None:
            with self._lock(shared=True), refusals_explained():
                place = free_place([member.place for member in self._lans.of(container_id)])
                address = self._pool.allocate(container_id, place)
                self._fences.add_default(Bridge(self._name, subnet).port_name(address), address)
        return Endpoint.at(address, subnet)

    def attach(self, container_id: str, pid: int) -> Endpoint:
        """Put the network namespace of `pid` on the bridge, with the container's address and a default route.

        The interface goes away with the namespace. Raises Conflict when the process is gone.
        """
        endpoint = self.allocate(container_id)
        address, interface = IPv4Address(endpoint.ip), self.interface(container_id)
        with refusals_explained():
            try:
                self.bridge().attach(address, pid, interface)
            except NetlinkError as error:
                if error.errno not in (errno.ENODEV, errno.ENOENT):
                    raise
                self._ensure()
                self.bridge().attach(address, pid, interface)
        return endpoint

    def interface(self, container_id: str) -> str:
        """What the container's interface on it is called inside."""
        return f"eth{self._pool.place(container_id) or 0}"

    def connect(self, container_id: str, pid: int | None) -> Endpoint:
        """Join it, at once if the container runs as `pid`: it is the way to the world then, and published ports lead
        there. Again, it makes sure that all of it is there. Raises as `attach`, having changed nothing.
        """
        is_new = not self.has(container_id)
        endpoint = self.allocate(container_id)
        try:
            if pid is not None and not self.bridge().has_port(IPv4Address(endpoint.ip)):
                self.attach(container_id, pid)
        except BaseException:
            if is_new:
                self._pool.release(container_id)
            raise
        with self._lock(shared=True), refusals_explained():
            complete = self._publication.lead_to(container_id)
        self._complete(complete)
        return endpoint

    def disconnect(self, container_id: str, pid: int | None) -> None:
        """Leave it, at once if it runs; the next network is the way to the world then, and for published ports, which
        are withdrawn if there is none.

        Raises Conflict for one that isn't on it.
        """
        address = self._pool.address(container_id)
        if address is None:
            raise Conflict(f"The container is not on network {DEFAULT}", {"field": "network"})
        with self._lock(shared=True), refusals_explained():
            complete = self._publication.lead_on(container_id, DEFAULT)
            self.bridge().detach(address)
            if pid is not None:
                self._lead_out(container_id, pid)
            self._pool.release(container_id)  # last: what a death cuts short is whole again after a recovery
        self._complete(complete)
