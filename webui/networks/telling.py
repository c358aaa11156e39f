"""Tells the pages how networks look once containers have come or gone.

A network's message has all of its containers, so that a burst of starts would write it anew for each: what `gathered`
holds back is told once for all that has happened meanwhile, and after the containers themselves.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterable, Iterator

from django.db import transaction
from django.db.models import Prefetch

from webui.broadcast import change_publish
from webui.networks.models import Endpoint, Network
from webui.networks.representation import network_as_json

logger = logging.getLogger(__name__)

SECONDS = 0.25
"""How often the pages hear of the same network at most."""

_here = threading.local()
_SHOWN = ("name", "observed_status", "team_id")
_ON_IT = Endpoint.objects.select_related("container").only(
    *("network_id", "container_id", "ip", "ip6", "mac", "interface", "aliases"),
    *(f"container__{name}" for name in _SHOWN),
)


class Waiting:
    """The networks of which one thread has something to tell."""

    def __init__(self) -> None:
        self._ids: set[int] = set()
        self._told_at = -SECONDS

    def add(self, ids: Iterable[int]) -> None:
        self._ids.update(ids)

    @property
    def seconds(self) -> float | None:
        """In what time it should be told; None if there is nothing."""
        return max(0.0, self._told_at + SECONDS - time.monotonic()) if self._ids else None

    def tell_if_due(self) -> None:
        """Raises the database's errors; the next call tries again."""
        if self.seconds == 0.0:
            self.tell()

    def tell(self) -> None:
        """One of which nothing can be said is logged and passed over, as any event that can't be applied."""
        for network in _found(self._ids):
            try:
                _publish(network)
            except Exception:
                logger.exception("nothing can be told of network %s", network.pk)
        self._ids.clear()
        self._told_at = time.monotonic()


@contextlib.contextmanager
def gathered() -> Iterator[Waiting]:
    """What this thread has to tell of networks in the block waits until it is asked for."""
    _here.waiting = waiting = Waiting()
    try:
        yield waiting
    finally:
        _here.waiting = None


def networks_publish(ids: Iterable[int]) -> None:
    """Tell the pages of these networks (keys of rows) once the transaction has committed."""
    waiting: Waiting | None = getattr(_here, "waiting", None)
    if waiting is None:
        for network in _found(ids):
            _publish(network)
        return
    found = set(ids)
    transaction.on_commit(lambda: waiting.add(found))


def _found(ids: Iterable[int]) -> list[Network]:
    wanted = list(ids)
    if not wanted:
        return []
    rows = Network.objects.filter(pk__in=wanted).select_related("host", "team")
    return list(rows.prefetch_related(Prefetch("endpoints", _ON_IT)))


def _publish(network: Network) -> None:
    change_publish(
        team_id=network.team_id,
        kind="network",
        action="updated",
        id=network.pk,
        object=network_as_json(network),
    )
