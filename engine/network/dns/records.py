"""What names are made of, in the store: a row for each container that is, or was, on a network of a name.

Addresses, aliases, name servers and who runs are the endpoints' (`engine.network.lans`); here is what a container is
called, and where its process is, so that the resolver needs nobody to find it again.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from engine.network.lans import Lans, Member
from engine.store.database import Store

SCHEMA = [
    """
    CREATE TABLE dns_client (
        container_id TEXT PRIMARY KEY,
        name TEXT NOT NULL,
        others TEXT NOT NULL,
        has_ndots INTEGER NOT NULL DEFAULT 0,
        pid INTEGER NOT NULL DEFAULT 0,
        born INTEGER NOT NULL DEFAULT 0
    )
    """,
    "ALTER TABLE dns_client ADD COLUMN links TEXT NOT NULL DEFAULT '{}'",
]
_SHORT_ID = 12
_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Calling:
    """What a container is called on every network: its name, and `others` such as its host name and service.

    `has_ndots`: it was made with an ndots option of its own, so names without a dot get a search domain first. `links`:
    what it calls others, and nobody else does → their names or ids, all in lower case.
    """

    name: str
    others: tuple[str, ...] = ()
    has_ndots: bool = False
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Process:
    """A process for sure: its number, and when it was born (ticks since boot), which no successor shares."""

    pid: int
    born: int


class Clients:
    """The records of one home. `lans` tells whoever reads all this that it is old now."""

    def __init__(self, store: Store, lans: Lans) -> None:
        self._store = store
        self._lans = lans
        store.ensure("dns", SCHEMA)

    def describe(self, container_id: str, calling: Calling) -> None:
        """From now on it is called so."""
        others = json.dumps(list(calling.others))
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO dns_client (container_id, name, others, has_ndots, links) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (container_id) DO UPDATE SET name = excluded.name, others = excluded.others,"
                " has_ndots = excluded.has_ndots, links = excluded.links",
                (container_id, calling.name, others, int(calling.has_ndots), json.dumps(dict(calling.links))),
            )
            self._lans.touch()

    def rename(self, container_id: str, name: str) -> bool:
        """The same with another name; False when nothing is known of it."""
        with self._store.transaction() as connection:
            done = connection.execute("UPDATE dns_client SET name = ? WHERE container_id = ?", (name, container_id))
            if done.rowcount:
                self._lans.touch()
        return bool(done.rowcount)

    def runs(self, container_id: str, pid: int) -> None:
        """Its networks are those of this process."""
        process = process_of(pid)
        if process is not None:
            with self._store.transaction() as connection:
                connection.execute(
                    "INSERT INTO dns_client (container_id, name, others, pid, born) VALUES (?, '', '[]', ?, ?)"
                    " ON CONFLICT (container_id) DO UPDATE SET pid = excluded.pid, born = excluded.born",
                    (container_id, process.pid, process.born),
                )

    def any_runs(self) -> bool:
        """Whether any container that wants names runs, as far as the records know."""
        row = self._store.connection().execute(
            "SELECT 1 FROM dns_client JOIN lan_endpoint USING (container_id) WHERE is_running AND pid LIMIT 1"
        )
        return row.fetchone() is not None

    def forget(self, container_id: str) -> None:
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM dns_client WHERE container_id = ?", (container_id,))

    def change(self) -> int:
        """A number that is another whenever something has changed."""
        row = self._store.connection().execute("SELECT max(number) FROM lan_change").fetchone()
        return int(row[0] or 0)

    def read(self, container_ids: Collection[str] | None = None) -> tuple[dict[str, Any], dict[str, Process]]:
        """What is told of all containers on networks (or of these), by id, and the processes of those that run."""
        connection = self._store.connection()
        connection.execute("BEGIN")  # one moment of all tables
        try:
            if container_ids is None:
                members = self._lans.all_members()
                rows = connection.execute("SELECT * FROM dns_client").fetchall()
            else:
                members = [member for one in container_ids for member in self._lans.of(one)]
                marks = ",".join("?" * len(container_ids))
                rows = connection.execute(
                    f"SELECT * FROM dns_client WHERE container_id IN ({marks})",  # noqa: S608 - question marks alone
                    tuple(container_ids),
                ).fetchall()
        finally:
            connection.execute("COMMIT")
        known = {row["container_id"]: row for row in rows}
        by_container: dict[str, list[Member]] = {}
        for member in members:
            by_container.setdefault(member.container_id, []).append(member)
        entries = {one: told(one, mine, known.get(one)) for one, mine in by_container.items()}
        processes = {
            one: Process(known[one]["pid"], known[one]["born"])
            for one, entry in entries.items()
            if entry["running"] and one in known and known[one]["pid"]
        }
        return entries, processes


def told(container_id: str, members: Sequence[Member], row: sqlite3.Row | None) -> dict[str, Any]:
    """What the answerer is told of a container (`names.Entry.read`): JSON values only."""
    called = [] if row is None else [name for name in (row["name"], *json.loads(row["others"])) if name]
    short = container_id[:_SHORT_ID]
    return {
        "id": container_id,
        "name": called[0] if called else short,
        "running": any(member.is_running for member in members),
        "servers": list(members[0].servers),
        "ndots": bool(row is not None and row["has_ndots"]),
        "links": {} if row is None else {alias: _called(one) for alias, one in json.loads(row["links"]).items()},
        "places": [
            {
                "network": member.lan.id,
                "network_name": member.lan.name,
                "internal": member.lan.spec.internal,
                "subnets": [str(one) for one in (member.lan.subnet, member.lan.subnet6) if one],
                "addresses": [str(one) for one in (member.address, member.address6) if one],
                "names": [*called, short, *member.aliases],
            }
            for member in sorted(members, key=lambda one: one.place)
        ],
    }


def _called(container: str) -> str:
    """The name by which a container is known here, of its name or its id."""
    return container[:_SHORT_ID] if _ID.fullmatch(container) else container


def process_of(pid: int) -> Process | None:
    """The process that has this number now, None for none: field 22 of proc_pid_stat(5)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Process(pid, int(fields[19]))


def is_stopped(pid: int) -> bool:
    """Whether somebody has stopped it by a signal: field 3 of proc_pid_stat(5). A traced one is not meant."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"T"
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_alive(process: Process) -> bool:
    return process_of(process.pid) == process


def namespace_of(process: Process) -> int | None:
    """A descriptor of its network namespace, the caller's to close. None: it is gone, or its namespace is our own."""
    try:
        descriptor = os.open(f"/proc/{process.pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    except (FileNotFoundError, ProcessLookupError):
        return None
    ours, theirs = os.stat("/proc/self/ns/net"), os.fstat(descriptor)
    if not is_alive(process) or (ours.st_dev, ours.st_ino) == (theirs.st_dev, theirs.st_ino):
        os.close(descriptor)
        return None
    return descriptor
