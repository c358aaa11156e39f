"""`Naming`: what `engine.network.service` uses. Each change is written down first, then the resolver is told."""

from __future__ import annotations

from engine.config import EngineConfig
from engine.network.dns import link
from engine.network.dns.records import Calling, Clients
from engine.network.lans import Lans
from engine.store.database import Store


class Naming:
    """The names of one home's containers on networks of a name. Safe for threads and processes."""

    def __init__(self, config: EngineConfig, store: Store, lans: Lans) -> None:
        self._config = config
        self._store = store
        self._clients = Clients(store, lans)

    def runs(self, container_id: str, pid: int, calling: Calling) -> None:
        """It runs as `pid`, on networks of a name: it is answered to, and with, when this returns.

        Without a resolver it runs all the same, and is answered to as soon as there is one.
        """
        with self._store.transaction():
            self._clients.describe(container_id, calling)
            self._clients.runs(container_id, pid)
        link.tell(self._config, container_id, start=True)

    def changed(self, container_id: str) -> None:
        """It has joined or left a network, or has stopped."""
        link.tell(self._config, container_id)

    def ensure(self) -> None:
        """Start the resolver if it isn't there, but containers need it."""
        if self._clients.any_runs():
            link.tell(self._config, start=True)

    def rename(self, container_id: str, name: str) -> None:
        """As a part of the transaction that is open, if one is."""
        with self._store.transaction():
            if self._clients.rename(container_id, name):
                self._store.after_commit(lambda: self.changed(container_id))

    def forget(self, container_id: str) -> None:
        """It is on no network any more, and will be on none."""
        self._clients.forget(container_id)
        link.tell(self._config, container_id)
