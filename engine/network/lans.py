"""Networks of a name and who is on them, in the store: no address is ever given twice.

A lan is such a network, an endpoint a container's place on it, kept for as long as the container exists and isn't
disconnected. What the kernel has is made from these records (`wires`, `firewall`, `fences`), never the reverse.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any

from engine.errors import AlreadyExists, Conflict, InvalidArgument, NotFound, ResourceExhausted
from engine.network.addressing import Address, Taken, choose, following, reserved, settled
from engine.network.aside import Aside
from engine.network.pool import SCHEMA
from engine.options.near import hint
from engine.options.networks import BRIDGE, IPVLAN, Joining, NetworkSpec, mac_of, spec_problems
from engine.store.database import Store

MOST = 1000
_LAST_NUMBER = 99_999  # five digits are what is left of a device's name


@dataclass(frozen=True, slots=True)
class Lan:
    """A network as it is: `spec` with the subnets and gateways that it got. `number` is that of its bridge."""

    spec: NetworkSpec
    number: int
    created_at: float

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def subnet(self) -> IPv4Network:
        return IPv4Network(str(self.spec.subnet))

    @property
    def gateway(self) -> IPv4Interface:
        """The host's own address, with the length of the subnet's prefix."""
        return IPv4Interface((str(self.spec.gateway), self.subnet.prefixlen))

    @property
    def subnet6(self) -> IPv6Network | None:
        return IPv6Network(self.spec.subnet6) if self.spec.subnet6 else None

    @property
    def gateway6(self) -> IPv6Interface | None:
        subnet = self.subnet6
        return None if subnet is None else IPv6Interface((str(self.spec.gateway6), subnet.prefixlen))

    @property
    def is_bridge(self) -> bool:
        """Whether it is this host's own, and not on a wire of others."""
        return self.spec.driver == BRIDGE

    def as_state(self) -> dict[str, Any]:
        """The shape of the contract's NetworkState."""
        return {**asdict(self.spec), "created_at": self.created_at}


@dataclass(frozen=True, slots=True)
class Member:
    """A container's endpoint on `lan`. `number` is that of its cable, `place` that of its interface inside (eth…).

    `asked`: which of its addresses were wished for, by `ip` and `ip6`. `servers`: the name servers that were chosen for
    the container. `is_running`: its process was there when last seen.
    """

    number: int
    lan: Lan
    container_id: str
    address: IPv4Address
    address6: IPv6Address | None
    mac: str
    place: int
    aliases: tuple[str, ...]
    asked: Mapping[str, str]
    servers: tuple[str, ...]
    is_running: bool

    @property
    def interface(self) -> str:
        return f"eth{self.place}"

    @property
    def ip(self) -> str:
        return str(self.address)

    @property
    def ip6(self) -> str | None:
        return None if self.address6 is None else str(self.address6)

    @property
    def gateway(self) -> str:
        return str(self.lan.gateway.ip)

    def as_state(self) -> dict[str, Any]:
        """The shape of the contract's NetworkJoined."""
        return {
            "network_id": self.lan.id,
            "network": self.lan.name,
            "ip": self.ip,
            "prefix": self.lan.subnet.prefixlen,
            "gateway": self.gateway,
            "ip6": self.ip6,
            "prefix6": None if self.lan.subnet6 is None else self.lan.subnet6.prefixlen,
            "gateway6": self.lan.spec.gateway6,
            "mac": None if self.lan.spec.driver == IPVLAN else self.mac,
            "interface": self.interface,
            "aliases": list(self.aliases),
            **({"asked": dict(self.asked)} if self.asked else {}),
        }


class Lans:
    """The records of one home's networks of a name."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.aside = Aside(store)
        store.ensure("network", SCHEMA)

    # ---- networks

    def all(self) -> list[Lan]:
        rows = self._store.connection().execute("SELECT * FROM lan ORDER BY name")
        return [_lan(row) for row in rows]

    def get(self, name: str) -> Lan:
        """By name, id or a unique beginning of an id. Raises NotFound."""
        rows = self._store.connection().execute(
            "SELECT * FROM lan WHERE name = ? OR id = ? OR (length(?) >= 4 AND substr(id, 1, length(?)) = ?)",
            (name,) * 5,
        )
        found = [_lan(row) for row in rows]
        exact = [lan for lan in found if name in (lan.name, lan.id)] or found
        if len(exact) != 1:
            near = hint(name, (lan.name for lan in self.all()))
            raise NotFound(f"There is no network {name}: {near}", {"field": "network", "name": name})
        return exact[0]

    def has(self, network_id: str) -> bool:
        """Whether there is one of this id."""
        row = self._store.connection().execute("SELECT 1 FROM lan WHERE id = ?", (network_id,))
        return row.fetchone() is not None

    def create(self, spec: NetworkSpec, taken: Taken, seed: int) -> tuple[Lan, bool]:
        """Record a network, and whether it is new: the same again is what is there.

        `taken`: what subnets others have, with a name of each; `seed` says where to look for a free one first. Raises
        InvalidArgument, AlreadyExists (the name), Conflict (the subnet overlaps another), ResourceExhausted.
        """
        for field, sentence in spec_problems(spec):
            raise InvalidArgument(f"{field}: {sentence}", {"field": field})
        with self._store.transaction() as connection:
            existing = self.all()
            same = next((lan for lan in existing if lan.id == spec.id), None)
            if same is not None:
                return same, False
            if any(lan.name == spec.name for lan in existing):
                raise AlreadyExists(
                    f"There is a network {spec.name} already; choose another name, or remove that one",
                    {"field": "name"},
                )
            if len(existing) >= MOST:
                raise ResourceExhausted(f"This host has {MOST} networks; remove those that are not needed")
            subnets = [(lan.name, one) for lan in existing for one in (lan.subnet, lan.subnet6) if one is not None]
            others = [*taken, *((f"network {name}", one) for name, one in subnets)]
            lan = Lan(settled(spec, others, seed), _free_number(existing), time.time())
            connection.execute(
                "INSERT INTO lan (id, name, number, spec, created_at, last_given) VALUES (?, ?, ?, ?, ?, ?)",
                (lan.id, lan.name, lan.number, json.dumps(asdict(lan.spec)), lan.created_at, 0),
            )
            _changed(connection)
        return lan, True

    def remove(self, lan: Lan, *, from_stopped: bool = False) -> list[Member]:
        """Forget a network without endpoints; with `from_stopped` also one that only such have as don't run.

        Answers the endpoints that went with it. Raises Conflict with `detail["containers"]`, the ids of who is on it.
        """
        with self._store.transaction() as connection:
            members = self.members(lan)
            ids = [member.container_id for member in members if member.is_running or not from_stopped]
            ids += self.aside.owners(lan.id)
            if ids:
                raise Conflict(f"Network {lan.name} is in use by {len(ids)} containers", {"containers": ids})
            connection.execute("DELETE FROM lan_endpoint WHERE lan = ?", (lan.id,))
            connection.execute("DELETE FROM lan WHERE id = ?", (lan.id,))
            _changed(connection)
        return members

    # ---- endpoints

    def members(self, lan: Lan) -> list[Member]:
        rows = self._store.connection().execute("SELECT * FROM lan_endpoint WHERE lan = ? ORDER BY number", (lan.id,))
        return [_member(row, lan) for row in rows]

    def all_members(self) -> list[Member]:
        lans = {lan.id: lan for lan in self.all()}
        rows = self._store.connection().execute("SELECT * FROM lan_endpoint ORDER BY number").fetchall()
        return [_member(row, lans[row["lan"]]) for row in rows if row["lan"] in lans]

    def of(self, container_id: str) -> list[Member]:
        """The container's endpoints in the order of its interfaces; most have none."""
        rows = self._store.connection().execute(
            "SELECT * FROM lan_endpoint WHERE container_id = ? ORDER BY place", (container_id,)
        )
        return [_member(row, self.get(row["lan"])) for row in rows.fetchall()]

    def main(self, container_id: str) -> Member | None:
        """That by which the container reaches the world."""
        return next((member for member in self.of(container_id) if not member.lan.spec.internal), None)

    def main6(self, container_id: str) -> Member | None:
        """The same with IPv6."""
        with_it = (member for member in self.of(container_id) if member.address6 is not None)
        return next((member for member in with_it if not member.lan.spec.internal), None)

    def join(
        self, container_id: str, joining: Joining, *, taken: int | None = None, servers: Sequence[str] = ()
    ) -> Member:
        """Give the container an endpoint, with the lowest place but `taken`; the same again is what is there.

        Raises NotFound, InvalidArgument (an address outside), Conflict (an address, MAC or endpoint that is taken),
        ResourceExhausted (no address is left).
        """
        with self._store.transaction() as connection:
            lan = self.get(joining.network)
            present = self.of(container_id)
            same = next((member for member in present if member.lan.id == lan.id), None)
            if same is not None:
                return _same_again(same, joining)
            place = free_place([*(member.place for member in present), *([] if taken is None else [taken])])
            if joining.mac and lan.spec.driver == IPVLAN:
                raise InvalidArgument(
                    f"On network {lan.name} all have the MAC address of {lan.spec.parent}: leave it out",
                    {"field": "mac"},
                )
            address, address6 = self._addresses(connection, lan, container_id, joining)
            mac = joining.mac or mac_of(address)
            taken_by = (lan.id, mac, container_id)
            if connection.execute(
                "SELECT 1 FROM lan_taken WHERE lan = ? AND mac = ? AND heir != ?", taken_by
            ).fetchone():
                raise Conflict(f"MAC address {mac} is taken on network {lan.name}; choose another", {"field": "mac"})
            connection.execute(
                "INSERT INTO lan_endpoint (lan, container_id, address, address6, mac, place, aliases, asked, servers)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    lan.id,
                    container_id,
                    int(address),
                    address6 and str(address6),
                    mac,
                    place,
                    json.dumps(joining.aliases),
                    json.dumps({name: one for name in ("ip", "ip6") if (one := getattr(joining, name))}),
                    json.dumps(list(servers)),
                ),
            )
            _changed(connection)
            return next(member for member in self.of(container_id) if member.lan.id == lan.id)

    def leave(self, member: Member) -> None:
        """Give an endpoint back."""
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM lan_endpoint WHERE number = ?", (member.number,))
            _changed(connection)

    def forget(self, container_id: str) -> None:
        """Give back all that the container has."""
        if self.of(container_id):
            with self._store.transaction() as connection:
                connection.execute("DELETE FROM lan_endpoint WHERE container_id = ?", (container_id,))
                _changed(connection)

    def mark_running(self, container_ids: Iterable[str], *, is_running: bool) -> None:
        """Names are answered with the addresses of containers that run."""
        value = int(is_running)
        with self._store.transaction() as connection:
            changed = 0
            for container_id in container_ids:
                changed += connection.execute(
                    "UPDATE lan_endpoint SET is_running = ? WHERE container_id = ? AND is_running != ?",
                    (value, container_id, value),
                ).rowcount
            if changed:
                _changed(connection)

    def runs(self, members: Sequence[Member]) -> None:
        """Mark the endpoints of one container that were just plugged in. Raises NotFound if a network was removed."""
        with self._store.transaction() as connection:
            numbers = {member.number for member in members}
            container_id = members[0].container_id
            rows = connection.execute("SELECT number FROM lan_endpoint WHERE container_id = ?", (container_id,))
            left = numbers - {row["number"] for row in rows.fetchall()}
            for member in members:
                if member.number in left:
                    raise NotFound(f"network {member.lan.id} not found: {member.lan.name} was removed meanwhile")
            self.mark_running([container_id], is_running=True)

    def touch(self) -> None:
        """Something has changed that names are made of, such as a container's own."""
        with self._store.transaction() as connection:
            _changed(connection)

    def _addresses(
        self, connection: sqlite3.Connection, lan: Lan, container_id: str, joining: Joining
    ) -> tuple[IPv4Address, IPv6Address | None]:
        others = "SELECT address, address6 FROM lan_taken WHERE lan = ? AND heir != ?"
        rows = connection.execute(others, (lan.id, container_id)).fetchall()
        (last, last6) = connection.execute("SELECT last_given, last_given6 FROM lan WHERE id = ?", (lan.id,)).fetchone()
        given: set[Address] = {IPv4Address(row["address"]) for row in rows}
        address = choose(lan.name, lan.subnet, lan.gateway.ip, joining.ip, given, field="ip")
        if address is None:
            within = IPv4Network(lan.spec.ip_range) if lan.spec.ip_range else lan.subnet
            address = following(lan.name, within, last, given, reserved(lan.subnet, lan.gateway.ip))
            connection.execute("UPDATE lan SET last_given = ? WHERE id = ?", (int(address), lan.id))
        assert isinstance(address, IPv4Address)
        if lan.subnet6 is None or lan.gateway6 is None:
            if joining.ip6 is not None:
                raise InvalidArgument(f"Network {lan.name} has no IPv6: leave ip6 out", {"field": "ip6"})
            return address, None
        given = {IPv6Address(row["address6"]) for row in rows if row["address6"]}
        address6 = choose(lan.name, lan.subnet6, lan.gateway6.ip, joining.ip6, given, field="ip6")
        if address6 is None:
            within6 = IPv6Network(lan.spec.ip_range6) if lan.spec.ip_range6 else lan.subnet6
            before = int(IPv6Address(last6)) if last6 else int(within6.network_address)
            address6 = following(lan.name, within6, before, given, reserved(lan.subnet6, lan.gateway6.ip))
            connection.execute("UPDATE lan SET last_given6 = ? WHERE id = ?", (str(address6), lan.id))
        assert isinstance(address6, IPv6Address)
        return address, address6


def free_place(taken: Collection[int]) -> int:
    """The lowest that none of `taken` is."""
    return next(place for place in range(len(taken) + 1) if place not in taken)


def _same_again(member: Member, joining: Joining) -> Member:
    ip6 = member.ip6 if joining.ip6 is None else str(IPv6Address(joining.ip6))
    asked = (joining.ip or member.ip, ip6, joining.mac or member.mac, tuple(joining.aliases))
    if asked == (member.ip, member.ip6, member.mac, member.aliases):
        return member
    raise Conflict(
        f"The container is on network {member.lan.name} already; disconnect it first, to join it otherwise",
        {"field": "network"},
    )


def _free_number(existing: Sequence[Lan]) -> int:
    """One above the highest; where there is none, the lowest that is free."""
    taken = {lan.number for lan in existing}
    last = max(taken, default=0)
    return last + 1 if last < _LAST_NUMBER else next(n for n in range(1, _LAST_NUMBER) if n not in taken)


def _changed(connection: sqlite3.Connection) -> None:
    """A number for whoever has read all this: it is old now."""
    connection.execute("INSERT INTO lan_change DEFAULT VALUES")
    connection.execute("DELETE FROM lan_change WHERE number < (SELECT max(number) FROM lan_change)")


def _lan(row: sqlite3.Row) -> Lan:
    return Lan(NetworkSpec(**json.loads(row["spec"])), row["number"], row["created_at"])


def _member(row: sqlite3.Row, lan: Lan) -> Member:
    return Member(
        number=row["number"],
        lan=lan,
        container_id=row["container_id"],
        address=IPv4Address(row["address"]),
        address6=IPv6Address(row["address6"]) if row["address6"] else None,
        mac=row["mac"],
        place=row["place"],
        aliases=tuple(json.loads(row["aliases"])),
        asked=json.loads(row["asked"]),
        servers=tuple(json.loads(row["servers"])),
        is_running=bool(row["is_running"]),
    )
