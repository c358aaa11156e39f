"""A container's log in pieces: what there is, and what comes, to the end of the run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from client.errors import NotFound, PortsideError, Unavailable
from client.resource import Json
from client.sockets import Feed
from client.transport import Query, located

if TYPE_CHECKING:
    from client.site import Portside

_LOOK_SECONDS = 0.25
_AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Wish:
    """Which part of a log: as the parameters of `containers.logs`."""

    tail: int | None = None
    since: float | None = None
    until: float | None = None
    stream: str | None = None

    def query(self, cursor: int | None) -> dict[str, Any]:
        """The parameters of a request; a `cursor` says where to begin in place of `tail` and `since`."""
        begin = {"tail": self.tail, "since": self.since} if cursor is None else {"cursor": cursor}
        return {**begin, "until": self.until, "stream": self.stream}


def present(site: Portside, container_id: str, wish: Wish, cursor: int | None = None) -> Iterator[Json]:
    """What there is now, from a position on."""
    path = located("/api/v1/containers/{}/logs/", container_id)
    while True:
        page = site.request("GET", path, query={**wish.query(cursor), "format": "json"})
        yield from page["chunks"]
        if not page["chunks"] or page["cursor"] == cursor:
            return
        cursor = page["cursor"]


def followed(site: Portside, container_id: str, wish: Wish) -> Iterator[Json]:
    """The same and what comes, until the container runs no more and all of its log was told.

    Somebody else's waiting says when: the log itself has no end as long as it may be started again.
    """
    over = threading.Event()
    threading.Thread(target=_await, args=(site, container_id, over), name="end of the run", daemon=True).start()
    position: dict[str, int | None] = {"cursor": None}

    def query() -> Query:
        return wish.query(position["cursor"])

    feed = Feed(site.transport, located("/ws/containers/{}/logs/", container_id), query)
    try:
        for message in feed.messages(_LOOK_SECONDS):
            if message is not None and message["type"] == "log":
                position["cursor"] = message["cursor"]
                yield from message["chunks"]
            elif message is not None and message["type"] == "end":
                return
            if over.is_set():
                break
    finally:
        over.set()  # nobody waits any more
        feed.close()
    try:
        yield from present(site, container_id, wish, position["cursor"])
    except NotFound:  # removed as soon as it ended
        return


def _await(site: Portside, container_id: str, over: threading.Event) -> None:
    """Set `over` at the end of the run; a site that can't be reached meanwhile is asked again until then."""
    while not over.is_set():
        try:
            site.await_container(container_id)
        except Unavailable:
            over.wait(_AGAIN_SECONDS)
        except PortsideError:
            return  # the log's own connection says what is wrong, and ends with the container
        else:
            over.set()
