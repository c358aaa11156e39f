"""The networks of one host that have a name: each verb, told to the journal, with the names of who is on them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from engine.containers import events
from engine.containers.catalog import Catalog
from engine.containers.service import Containers
from engine.errors import Conflict, DataCorrupt, InvalidArgument, NotFound
from engine.network.lans import Lan
from engine.network.service import Network
from engine.options.labels import are_meant
from engine.options.networks import Joining, NetworkSpec
from engine.store.journal import Journal

DEFAULT = events.NETWORK
CREATED, REMOVED = "network.created", "network.removed"


class Networks:
    """Every verb takes a name, an id or a unique beginning of an id, and raises NotFound for none."""

    def __init__(self, network: Network, journal: Journal, catalog: Catalog, containers: Containers) -> None:
        self._network = network
        self._journal = journal
        self._catalog = catalog
        self._containers = containers

    def create(self, spec: NetworkSpec) -> Lan:
        """Make it; the same id again is what is there. Raises as `engine.network.lans.Lans.create`."""
        lan, is_new = self._network.named.create(spec)
        if is_new:
            self._journal.append(CREATED, lan.id, lan.as_state())
            self._act("create", lan)
        return lan

    def all(self) -> list[Lan]:
        return self._network.named.lans.all()

    def get(self, name: str) -> Lan:
        return self._network.named.lans.get(name)

    def inspect(self, name: str) -> dict[str, Any]:
        """Its state, and its `containers`: id, name, status, and what `Member.as_state` says."""
        lan = self.get(name)
        found = []
        for member in self._network.named.lans.members(lan):
            with contextlib.suppress(NotFound, DataCorrupt):
                record = self._catalog.get(member.container_id)
                about = {"id": record.id, "name": record.name, "status": record.status}
                found.append({**about, **member.as_state()})
        return {**lan.as_state(), "containers": found}

    def remove(self, name: str, *, from_stopped: bool = False) -> Lan:
        """Raises Conflict that names the containers on it, running or not; with `from_stopped` those that run.

        Who is on it and doesn't run, doesn't start before it was disconnected.
        """
        if from_stopped:
            for member in self._network.named.lans.members(self.get(name)):
                self._containers.rest_on_networks(member.container_id)
        try:
            lan, members = self._network.named.remove(name, from_stopped=from_stopped)
        except Conflict as error:
            raise self._named(name, error) from error
        self._journal.append(REMOVED, lan.id, {"type": "network", "name": lan.name, "labels": dict(lan.spec.labels)})
        self._act("destroy", lan)
        for member in members:
            self._containers.follow_networks(member.container_id)
        return lan

    def prune(
        self, *, until: float | None = None, labels: Sequence[str] = (), not_labels: Sequence[str] = ()
    ) -> list[Lan]:
        """Remove those without containers, made before `until` (Unix seconds), as far as their labels let them go.

        `labels`: NAME or NAME=VALUE that it has to have, all of them; `not_labels`: it stays if it has all of these.
        Told as `prune`, with Docker's attribute, which is always 0: networks take no room.
        """
        removed = []
        for lan in self.all():
            if are_meant(lan.spec.labels, labels, not_labels) and lan.created_at < (until or time.time()):
                with contextlib.suppress(Conflict, NotFound):  # in use, or gone meanwhile
                    removed.append(self.remove(lan.id))
        self._journal.append(events.ACTION, "", {"action": "prune", "type": "network", "name": "", "reclaimed": 0})
        return removed

    def connect(self, name: str, container: str, joining: Joining) -> None:
        """Let a container join, at once if it runs; the default network by the word bridge.

        Raises as `engine.containers.joining.connect`, InvalidArgument for addresses on the default network, where the
        host chooses them.
        """
        if name == DEFAULT:
            for field in ("ip", "ip6", "mac", "aliases"):
                if getattr(joining, field):
                    message = f"{field}: on the default network it is not chosen; leave it out"
                    raise InvalidArgument(message, {"field": field})
            self._containers.connect_default(container)
            return
        lan = self.get(name)
        self._containers.connect(container, replace(joining, network=lan.id))

    def disconnect(self, name: str, container: str) -> None:
        """Let a container leave, also a network that was removed. Raises as `engine.containers.joining.disconnect`."""
        if name == DEFAULT:
            self._containers.disconnect_default(container)
            return
        try:
            network = self.get(name).id
        except NotFound:
            network = name
        self._containers.disconnect(container, network, name)

    def _named(self, name: str, error: Conflict) -> Conflict:
        """The same with the containers' names; people know no ids."""
        names = {container_id: known for known, container_id in self._catalog.names().items()}
        found: Any = error.detail.get("containers", ())
        ids = [str(one) for one in found]
        who = ", ".join(names.get(one, one[:12]) for one in ids[:10]) + (" and more" if len(ids) > 10 else "")
        return Conflict(
            f"network {name} is in use by {who}; disconnect or remove what is on it first",
            {"containers": [names.get(one, one) for one in ids]},
        )

    def _act(self, action: str, lan: Lan) -> None:
        about = {"action": action, "type": "network", "name": lan.name, "labels": dict(lan.spec.labels)}
        self._journal.append(events.ACTION, lan.id, about)
