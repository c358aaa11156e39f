"""`GET /events`: what has happened on the host, and what happens, as `docker events` follows it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Any

from django.utils.dateparse import parse_datetime

from engine.errors import InvalidArgument
from engine.oci.reference import DEFAULT_TAG
from webui.activity.naming import TYPES
from webui.activity.query import EventQuery
from webui.dockerapi import answers, times
from webui.dockerapi.answers import Stream
from webui.dockerapi.call import Call
from webui.dockerapi.names import shown_reference
from webui.dockerapi.routing import endpoint
from webui.live.following import follow

FILTERS = frozenset({
    "config", "container", "daemon", "event", "image", "label", "network", "node", "plugin", "scope", "secret",
    "service", "type", "volume",
})  # fmt: skip
_NEVER = frozenset({"config", "daemon", "node", "plugin", "secret", "service"})
"""Kinds of things that nothing happens to here."""


@endpoint("GET", "/events")
async def events(call: Call) -> Stream:
    filters = call.filters(FILTERS)
    since, until = times.unix(call.text("since"), "since"), times.unix(call.text("until"), "until")
    if since is not None and until is not None and until < since:
        raise InvalidArgument(
            f"`since` time ({call.text('since')}) cannot be after `until` time ({call.text('until')})"
        )
    query = EventQuery(
        since=_moment(since),
        until=_moment(until),
        type=tuple(kind for kind in filters.get("type", ()) if kind in TYPES),
        event=tuple(filters.get("event", ())),
        container=tuple(filters.get("container", ())),
        image=tuple(filters.get("image", ())),
        label=tuple(filters.get("label", ())),
        host=(str(call.host.pk),),
    )
    is_empty = bool(_NEVER & filters.keys()) or (bool(filters.get("type")) and not query.type)
    is_empty = is_empty or filters.get("scope", ["local"]) == ["swarm"]

    async def parts() -> AsyncIterator[bytes]:
        async for rows in follow(call.user, query):
            told = [event_object(row) for row in rows if not is_empty and _fits(row, filters)]
            if told:
                yield b"".join(answers.encoded(one) for one in told)

    return Stream(parts(), answers.JSON, begins_at_once=True)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _fits(row: Mapping[str, Any], filters: Mapping[str, list[str]]) -> bool:
    """network and volume: by id or name."""
    actor = row["actor"]
    for kind in ("network", "volume"):
        wanted = filters.get(kind)
        known = (actor["id"], actor["attributes"].get("name"))
        if wanted and (row["type"] != kind or not any(one in known for one in wanted)):
            return False
    return True


def _image_of(attributes: Mapping[str, Any]) -> dict[str, str]:
    """The container's image as people write it: what was asked for is not told, but its whole name."""
    name = attributes.get("image")
    return {"image": shown_reference(name).removesuffix(f":{DEFAULT_TAG}")} if name else {}


def event_object(row: Mapping[str, Any]) -> dict[str, Any]:
    """As REST shows an event, so Docker does; older clients look for the first three."""
    at = parse_datetime(row["at"])
    assert at is not None
    actor = row["actor"]
    found: dict[str, Any] = {}
    if row["type"] in ("container", "image"):
        found = {"status": row["action"], "id": actor["id"]}
        if row["type"] == "container":
            actor = {**actor, "attributes": {**actor["attributes"], **_image_of(actor["attributes"])}}
            found["from"] = actor["attributes"].get("image", "")
    return {
        **found,
        "Type": row["type"],
        "Action": row["action"],
        "Actor": {"ID": actor["id"], "Attributes": actor["attributes"]},
        "scope": "local",
        "time": int(at.timestamp()),
        "timeNano": times.nanoseconds(at),
    }
