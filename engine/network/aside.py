"""Endpoints that are set aside: those of a container which makes room for another, its heir, until one of them is gone.

Their addresses belong to these two alone meanwhile: the heir may have them, and the other one may come back to them.
"""

from __future__ import annotations

import sqlite3

from engine.errors import Conflict
from engine.network.pool import SCHEMA
from engine.store.database import Store


class Aside:
    """What of one home's endpoints is set aside."""

    def __init__(self, store: Store) -> None:
        self._store = store
        store.ensure("network", SCHEMA)

    def put(self, container_id: str, heir: str) -> None:
        """Set aside all endpoints of a container that doesn't run; again, nothing changes."""
        with self._store.transaction() as connection:
            connection.execute(
                "INSERT INTO lan_aside SELECT number, lan, container_id, ?, address, address6, mac, place, aliases,"
                " asked, servers FROM lan_endpoint WHERE container_id = ?",
                (heir, container_id),
            )
            connection.execute("DELETE FROM lan_endpoint WHERE container_id = ?", (container_id,))

    def take_back(self, container_id: str) -> None:
        """Give them back to it, once its heir is gone; without any, nothing happens.

        Raises Conflict when somebody has one of the addresses: the heir is still there.
        """
        with self._store.transaction() as connection:
            try:
                connection.execute(
                    "INSERT INTO lan_endpoint (number, lan, container_id, address, address6, mac, place, aliases,"
                    " asked, servers) SELECT number, lan, container_id, address, address6, mac, place, aliases, asked,"
                    " servers FROM lan_aside WHERE container_id = ?",
                    (container_id,),
                )
            except sqlite3.IntegrityError as error:
                raise Conflict(
                    f"the addresses of container {container_id[:12]} are not free again; remove the container that "
                    "was to take its place"
                ) from error
            self.forget(container_id)

    def forget(self, container_id: str) -> bool:
        """Keep them no longer. Whether there were any."""
        if container_id not in self.owners():
            return False  # nearly always, and then no other writer has to wait for us
        with self._store.transaction() as connection:
            connection.execute("DELETE FROM lan_aside WHERE container_id = ?", (container_id,))
        return True

    def owners(self, lan_id: str | None = None) -> set[str]:
        """Who has something that is set aside, anywhere or on one network."""
        rows = self._store.connection().execute(
            "SELECT DISTINCT container_id FROM lan_aside WHERE ? IS NULL OR lan = ?", (lan_id, lan_id)
        )
        return {str(row["container_id"]) for row in rows.fetchall()}
