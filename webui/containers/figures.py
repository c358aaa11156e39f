"""What containers use, as their hosts tell it every two seconds: one sampler a host, however many look.

The hosts' streams at the broker hold the figures of everything that runs; here they are only picked and named.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import redis

from engine.errors import Conflict, Unavailable
from webui.accounts.models import User
from webui.broadcast import broker
from webui.containers.models import Container, ObservedStatus
from worker.contract import keys

FRESH_SECONDS = 15.0
"""Older figures tell nothing of now: the host is away."""
RUNNING = (ObservedStatus.RUNNING, ObservedStatus.PAUSED)


@dataclass(frozen=True, slots=True)
class Source:
    """A host, and those of its containers that somebody wants the figures of: id → name."""

    host_id: str
    names: Mapping[str, str]


def sources_of(user: User, container: Container | None = None) -> list[Source]:
    """Where the figures of `container` come from, or those of all that `user` sees."""
    if container is not None:
        return [Source(str(container.host_id), {container.pk: container.name})]
    by_host: dict[str, dict[str, str]] = {}
    for pk, name, host_id in Container.objects.visible_to(user).order_by("pk").values_list("pk", "name", "host_id"):
        by_host.setdefault(host_id, {})[pk] = name
    return [Source(host_id, names) for host_id, names in by_host.items()]


def lines_of(source: Source, entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The wanted figures of one entry of a host's stream, one object a container that ran then."""
    found = entry.get("containers") or {}
    return [
        {"id": id_, "name": name, "at": entry.get("at"), **found[id_]}
        for id_, name in source.names.items()
        if isinstance(found.get(id_), Mapping)
    ]


def figures_now(sources: list[Source]) -> list[dict[str, Any]]:
    """The last figures of each, of containers that run. Raises Unavailable when the broker is away."""
    try:
        pipeline = broker().pipeline(transaction=False)
        for source in sources:
            pipeline.xrevrange(keys.stats(source.host_id), count=1)
        answers: list[Any] = pipeline.execute() if sources else []
    except redis.RedisError as error:
        raise Unavailable("the broker can't be reached, which has the figures: try again in a moment") from error
    lines: list[dict[str, Any]] = []
    for source, answer in zip(sources, answers, strict=True):
        for _, fields in answer:
            entry = json.loads(fields[b"m"])
            if time.time() - float(entry.get("at") or 0) <= FRESH_SECONDS:
                lines += lines_of(source, entry)
    return lines


def figures_of(user: User, container: Container) -> dict[str, Any]:
    """The last figures of one. Raises Conflict for one that does not run, Unavailable when its host tells nothing."""
    found = figures_now(sources_of(user, container))
    if found:
        return found[0]
    if container.observed_status not in RUNNING:
        raise Conflict(f"the container {container.name} does not run, so it uses nothing: start it first")
    raise Unavailable(
        f"the host {container.host.name} has told no figures of {container.name} yet: try again in a moment"
    )
