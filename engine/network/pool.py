"""Which subnet is ours, and which address is whose: recorded in the store, so that none is given twice."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Network

from engine.errors import ResourceExhausted
from engine.options.networks import DEFAULT_PREFIX
from engine.store.database import Store

SCHEMA = [
    """
    CREATE TABLE network (
        name TEXT PRIMARY KEY,
        subnet TEXT NOT NULL,
        last_given INTEGER NOT NULL
    );
    CREATE TABLE network_address (
        network TEXT NOT NULL REFERENCES network (name),
        address INTEGER NOT NULL,
        container_id TEXT NOT NULL,
        PRIMARY KEY (network, address),
        UNIQUE (network, container_id)
    );
    CREATE TABLE network_port (
        protocol TEXT NOT NULL,
        host INTEGER NOT NULL,
        address TEXT NOT NULL,
        container_id TEXT NOT NULL,
        container INTEGER NOT NULL,
        PRIMARY KEY (protocol, host, address)
    );
    CREATE INDEX network_port_container ON network_port (container_id)
    """,
    """
    CREATE TABLE lan (
        id TEXT PRIMARY KEY,
        name TEXT NOT NULL UNIQUE,
        number INTEGER NOT NULL UNIQUE,
        spec TEXT NOT NULL,
        created_at REAL NOT NULL,
        last_given INTEGER NOT NULL
    );
    CREATE TABLE lan_endpoint (
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        lan TEXT NOT NULL REFERENCES lan (id),
        container_id TEXT NOT NULL,
        address INTEGER NOT NULL,
        mac TEXT NOT NULL,
        place INTEGER NOT NULL,
        aliases TEXT NOT NULL,
        servers TEXT NOT NULL,
        is_running INTEGER NOT NULL DEFAULT 0,
        UNIQUE (lan, container_id),
        UNIQUE (lan, address),
        UNIQUE (lan, mac),
        UNIQUE (container_id, place)
    );
    CREATE TABLE lan_change (number INTEGER PRIMARY KEY AUTOINCREMENT)
    """,
    """
    ALTER TABLE lan ADD COLUMN last_given6 TEXT NOT NULL DEFAULT '';
    ALTER TABLE lan_endpoint ADD COLUMN address6 TEXT;
    CREATE UNIQUE INDEX lan_endpoint_address6 ON lan_endpoint (lan, address6)
    """,
    "ALTER TABLE lan_endpoint ADD COLUMN asked TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE network_address ADD COLUMN place INTEGER NOT NULL DEFAULT 0",
    """
    CREATE TABLE lan_aside (
        number INTEGER PRIMARY KEY,
        lan TEXT NOT NULL REFERENCES lan (id),
        container_id TEXT NOT NULL,
        heir TEXT NOT NULL,
        address INTEGER NOT NULL,
        address6 TEXT,
        mac TEXT NOT NULL,
        place INTEGER NOT NULL,
        aliases TEXT NOT NULL,
        asked TEXT NOT NULL,
        servers TEXT NOT NULL
    );
    CREATE VIEW lan_taken AS
        SELECT lan, address, address6, mac, '' AS heir FROM lan_endpoint
        UNION ALL SELECT lan, address, address6, mac, heir FROM lan_aside
    """,
]

# 4,093 containers each. First away from 10.0/9, 172.16/12 and 192.168/16, which Docker, podman, clouds and
# offices are fond of; but where a VPN routes all of 10/8, those are what is left.
_RANGES = ("10.208.0.0/12", "172.16.0.0/12", "192.168.0.0/16")


class Pool:
    """The subnet and the addresses of network `name`."""

    def __init__(self, store: Store, name: str = "default") -> None:
        self._store = store
        self._name = name
        store.ensure("network", SCHEMA)

    def subnet(self) -> IPv4Network | None:
        """The recorded subnet, None before the first `choose`."""
        row = self._row(self._store.connection())
        return _network(row["subnet"]) if row else None

    def choose(self, taken: Iterable[IPv4Network | IPv6Network], seed: int) -> IPv4Network:
        """Record a subnet that overlaps none of `taken`; `seed` says where to look first.

        A recorded subnet that is free stays, and so does any that has given addresses. Raises
        ResourceExhausted.
        """
        used = list(taken)
        with self._store.transaction() as connection:
            row = self._row(connection)
            if row is not None:
                current = _network(row["subnet"])
                given = connection.execute("SELECT 1 FROM network_address WHERE network = ?", (self._name,)).fetchone()
                if given or not any(current.overlaps(other) for other in used):
                    return current
            for candidate in candidates(seed):
                if not any(candidate.overlaps(other) for other in used):
                    connection.execute(
                        "INSERT INTO network VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE"
                        " SET subnet = excluded.subnet, last_given = excluded.last_given",
                        (self._name, str(candidate), int(candidate.network_address) + 1),
                    )
                    return candidate
        raise ResourceExhausted(
            f"No free subnet for containers is left: this machine has routes to every part of {', '.join(_RANGES)}"
        )

    def address(self, container_id: str) -> IPv4Address | None:
        """The address that the container has, if any."""
        row = self._store.connection().execute(
            "SELECT address FROM network_address WHERE network = ? AND container_id = ?", (self._name, container_id)
        )
        found = row.fetchone()
        return IPv4Address(found["address"]) if found else None

    def place(self, container_id: str) -> int | None:
        """The place of the container's interface (eth…) on this network, None for one that isn't on it."""
        row = self._store.connection().execute(
            "SELECT place FROM network_address WHERE network = ? AND container_id = ?", (self._name, container_id)
        )
        found = row.fetchone()
        return int(found["place"]) if found else None

    def allocate(self, container_id: str, place: int = 0) -> IPv4Address:
        """The container's address, given now if it has none; then its interface gets `place`.

        Addresses go round, so that one just released is the last to be given again: nothing that still has
        it in a cache reaches a stranger. Raises ResourceExhausted.
        """
        with self._store.transaction() as connection:
            known = self.address(container_id)
            if known is not None:
                return known
            row = self._row(connection)
            assert row is not None
            subnet = _network(row["subnet"])
            first, size = int(subnet.network_address) + 2, subnet.num_addresses - 3
            for step in range(1, size + 1):
                address = first + (row["last_given"] - first + step) % size
                given = connection.execute(
                    "INSERT INTO network_address (network, address, container_id, place) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT DO NOTHING",
                    (self._name, address, container_id, place),
                )
                if given.rowcount:
                    connection.execute("UPDATE network SET last_given = ? WHERE name = ?", (address, self._name))
                    return IPv4Address(address)
        raise ResourceExhausted(f"All {size} addresses of {subnet} are in use; remove containers that are not needed")

    def release(self, container_id: str) -> None:
        """Give the address back; without one, nothing happens."""
        with self._store.transaction() as connection:
            connection.execute(
                "DELETE FROM network_address WHERE network = ? AND container_id = ?", (self._name, container_id)
            )

    def given(self) -> dict[str, IPv4Address]:
        """All addresses by container."""
        rows = self._store.connection().execute(
            "SELECT container_id, address FROM network_address WHERE network = ?", (self._name,)
        )
        return {row["container_id"]: IPv4Address(row["address"]) for row in rows}

    def _row(self, connection: sqlite3.Connection) -> sqlite3.Row | None:
        row: sqlite3.Row | None = connection.execute("SELECT * FROM network WHERE name = ?", (self._name,)).fetchone()
        return row


_network = functools.lru_cache(maxsize=64)(IPv4Network)


def candidates(seed: int, prefix: int = DEFAULT_PREFIX) -> Iterator[IPv4Network]:
    """All subnets, range by range; in each, `seed` says which comes first, so that homes seldom meet."""
    for within in _RANGES:
        subnets = list(IPv4Network(within).subnets(new_prefix=prefix))
        first = seed % len(subnets)
        yield from subnets[first:] + subnets[:first]
