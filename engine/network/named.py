"""Networks of a name: made, joined, left and removed. Records first, then the kernel, as for the default network.

`service` holds the lock among processes and the tables that all networks of a home share.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from ipaddress import IPv4Network

from engine.errors import EngineError, Unavailable
from engine.network.addressing import Subnet
from engine.network.bridge import foreign_networks
from engine.network.fences import Fences
from engine.network.firewall import Zone
from engine.network.lans import Lan, Lans, Member
from engine.network.netlink import NetlinkError
from engine.network.refusals import refusals_explained
from engine.network.wires import Ways, Wires
from engine.options.networks import BRIDGE, Joining, NetworkSpec

log = logging.getLogger(__name__)


class NamedNetworks:
    """`lock(shared=…)` is held among all processes while records and kernel are changed together.

    `rebuild` makes both tables anew from the records, `own` tells the default network's subnet, if it has one.
    """

    def __init__(
        self,
        lans: Lans,
        wires: Wires,
        fences: Fences,
        *,
        lock: Callable[..., AbstractContextManager[None]],
        rebuild: Callable[[], None],
        own: Callable[[], IPv4Network | None],
        seed: int,
    ) -> None:
        self.lans = lans
        self._wires = wires
        self._fences = fences
        self._lock, self._rebuild, self._own = lock, rebuild, own
        self._seed = seed

    def create(self, spec: NetworkSpec) -> tuple[Lan, bool]:
        """Make a network, and say whether it is new. Raises as `Lans.create`; then nothing is left of it."""
        with self._lock(), refusals_explained():
            taken: list[tuple[str, Subnet]] = [
                (f"to which this host has a route by {device}" if device else "which this host uses", network)
                for device, network in foreign_networks(self._wires.bridges)
                if spec.driver == BRIDGE  # the subnets of a wire are the host's as well
            ]
            own = self._own()
            if own is not None:
                taken.append(("the default network bridge", own))
            lan, is_new = self.lans.create(spec, taken, self._seed)
            try:
                self._wires.ensure(lan)
                self._rebuild()
            except BaseException:
                if is_new:
                    self._wires.delete(lan)
                    self.lans.remove(lan)
                raise
        return lan, is_new

    def remove(self, name: str, *, from_stopped: bool = False) -> tuple[Lan, list[Member]]:
        """Remove a network, and answer the endpoints that went with it: none, unless `from_stopped`.

        Raises NotFound, and Conflict with the ids of the containers that use it (`detail["containers"]`).
        """
        with self._lock(), refusals_explained():
            lan = self.lans.get(name)
            members = self.lans.remove(lan, from_stopped=from_stopped)
            self._wires.delete(lan)
            self._rebuild()
        return lan, members

    def zones(self) -> list[Zone]:
        """What is behind each bridge, once for each family that it has."""
        found = []
        for lan in self.lans.all():
            for subnet in (lan.subnet, lan.subnet6):
                if lan.is_bridge and subnet is not None:
                    found.append(Zone(self._wires.bridge_name(lan), subnet, lan.spec.internal, lan.spec.icc))
        return found

    def join(
        self, container_id: str, joinings: Sequence[Joining], *, taken: int | None = None, servers: Sequence[str] = ()
    ) -> list[Member]:
        """Give the container its endpoints, before it runs. Raises as `Lans.join`; then it has none of them."""
        before = {member.number for member in self.lans.of(container_id)}
        try:
            return [self.lans.join(container_id, one, taken=taken, servers=servers) for one in joinings]
        except BaseException:
            for member in self.lans.of(container_id):
                if member.number not in before:
                    self.lans.leave(member)
            raise

    def attach(self, container_id: str, pid: int, *, has_route: bool) -> list[Member]:
        """Put all endpoints of a container into the network namespace of `pid`, and let names lead to it.

        `has_route`: it reaches the world by the default network. Raises Conflict when the process is gone,
        NotFound when a network is.
        """
        members = self.lans.of(container_id)
        if members:
            self._plug(members, pid, self._ways(container_id, has_route=has_route))
            self.lans.runs(members)
        return members

    def connect(self, container_id: str, pid: int, member: Member, *, has_route: bool) -> None:
        """Put one more endpoint into a namespace; what has no way to the world yet gets one."""
        self._plug([member], pid, self._ways(container_id, has_route=has_route))
        self.lans.runs([member])

    def disconnect(self, member: Member, pid: int | None, *, has_route: bool) -> None:
        """Take an endpoint away, also from a namespace; the next network is the way to the world then."""
        with refusals_explained():
            self._wires.unplug(member, pid)
            self._fences.remove([member])
            self.lans.leave(member)
            if pid is not None:
                self._wires.route_by(self._ways(member.container_id, has_route=has_route), pid)

    def lead_out(self, container_id: str, pid: int) -> None:
        """The default network is left: let the next one be the way to the world, if there is one."""
        with refusals_explained():
            self._wires.route_by(self._ways(container_id, has_route=False), pid)

    def release(self, container_id: str) -> bool:
        """Give back all endpoints, if it has any; interfaces go with the namespace."""
        members = self.lans.of(container_id)
        if members:
            self._fences.remove(members)
            self.lans.forget(container_id)
        return self.lans.aside.forget(container_id) or bool(members)

    def forget(self, container_id: str) -> None:
        """The records of its endpoints alone, where the kernel is put right afterwards."""
        self.lans.forget(container_id)
        self.lans.aside.forget(container_id)

    def set_aside(self, container_id: str, heir: str) -> None:
        """Keep the endpoints of a container that doesn't run for itself and for `heir`, which may have them at once."""
        self._fences.remove(self.lans.of(container_id))
        self.lans.aside.put(container_id, heir)
        self.lans.touch()

    def take_back(self, container_id: str) -> None:
        """Give these endpoints back to it, if there are any. Raises Conflict while the heir has one of them."""
        self.lans.aside.take_back(container_id)
        self.lans.touch()

    def put_right(self, live: Mapping[str, int], has_route: Collection[str]) -> None:
        """Make the kernel's bridges and cables match the records; for containers that run: id → pid."""
        for lan in self.lans.all():
            try:
                self._wires.ensure(lan)
            except EngineError as error:  # a device of the host's is gone: the other networks don't depend on it
                log.warning("%s", error.message)
        running = [member for member in self.lans.all_members() if member.container_id in live]
        without_cable = {member.number for member in self._wires.put_right(running, self.lans.all())}
        for container_id in {member.container_id for member in running}:
            ways = self._ways(container_id, has_route=container_id in has_route)
            own = [member for member in running if member.container_id == container_id]
            try:
                missing = {member.number for member in self._wires.complete(own, live[container_id], ways)}
                again = [member for member in own if member.number in without_cable | missing]
                if again:
                    self._wires.plug(again, live[container_id], ways)
            except (EngineError, OSError) as error:
                log.warning("container %s can't be put back on a network: %s", container_id[:12], error)
        others = {member.container_id for member in self.lans.all_members()} - set(live)
        self.lans.mark_running(live, is_running=True)
        self.lans.mark_running(others, is_running=False)

    def _ways(self, container_id: str, *, has_route: bool) -> Ways:
        """`has_route`: it reaches the world by the default network, which has IPv4 alone."""
        return Ways(None if has_route else self.lans.main(container_id), self.lans.main6(container_id))

    def _plug(self, members: Sequence[Member], pid: int, ways: Ways) -> None:
        with refusals_explained():
            for _ in range(2):
                with self._lock(shared=True):
                    if self._plugged(members, pid, ways):
                        return
                with self._lock():  # bridges or tables were taken away by hand
                    for lan in filter(lambda one: one.is_bridge, self.lans.all()):
                        self._wires.ensure(lan)
                    self._rebuild()
        raise Unavailable("Something on this host keeps taking the network's parts away; stop that, and try again")

    def _plugged(self, members: Sequence[Member], pid: int, ways: Ways) -> bool:
        if not self._fences.add(members):
            return False
        try:
            self._wires.plug(members, pid, ways)
        except NetlinkError as error:
            if error.errno != errno.ENODEV:
                raise
            return False
        return True
