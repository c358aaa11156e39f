"""The endpoints that `rest` serves: what each asks for first, and what it sends."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import fields
from typing import Any

from engine.errors import NotFound
from webui.activity.query import EventQuery
from webui.activity.waiting import Outcome, Waiting, wait_begin, wait_look
from webui.containers.figures import Source, lines_of, sources_of
from webui.containers.models import Container
from webui.live.broadcaster import listening
from webui.live.following import follow
from webui.live.jobs import follow_job, job_seen
from webui.live.loop import in_thread
from webui.live.waiting import told
from webui.streams.rest import JSON, NDJSON, Ask, Endpoint, line
from worker.contract import keys

KEEP_ALIVE_SECONDS = 20.0
"""So often a blank goes out to who waits, lest a proxy take the connection for dead; JSON may begin with blanks."""
FRESH_SECONDS = 30.0
"""So often it is looked which containers somebody sees who follows the figures of all."""


def _events_admit(ask: Ask) -> EventQuery:
    return EventQuery.from_parameters(ask.parameters)


async def _events_run(ask: Ask, query: EventQuery) -> AsyncIterator[bytes]:
    yield b""  # who follows learns at once that it is heard
    async for events in follow(ask.user, query):
        yield b"".join(line(event) for event in events)


def _container(ask: Ask) -> Container:
    found = Container.objects.visible_to(ask.user).select_related("host", "team").filter(pk=ask.subject).first()
    if found is None:
        raise NotFound("There is no such thing, or it is another team's: lists show what there is.")
    return found


def _wait_admit(ask: Ask) -> Waiting:
    _container(ask)
    return wait_begin(ask.subject, condition=ask.one("condition"), timeout=ask.one("timeout"))


async def _wait_run(ask: Ask, waiting: Waiting) -> AsyncIterator[bytes]:
    loop = asyncio.get_running_loop()
    deadline = None if waiting.timeout is None else loop.time() + waiting.timeout
    async with listening(keys.ACTIVITY) as activity, listening(keys.CHANGES) as changes:
        while (outcome := await in_thread(wait_look, waiting)) is None:
            left = None if deadline is None else deadline - loop.time()
            if left is not None and left <= 0:
                outcome = Outcome(condition=waiting.condition, reached=False)
                break
            seconds = KEEP_ALIVE_SECONDS if left is None else min(left, KEEP_ALIVE_SECONDS)
            if not await told(ask.subject, activity, changes, seconds) and seconds == KEEP_ALIVE_SECONDS:
                yield b" "
    yield json.dumps(outcome.as_json()).encode()


def _stats_admit(ask: Ask) -> list[Source]:
    return sources_of(ask.user, _container(ask) if ask.subject else None)


async def _stats_run(ask: Ask, sources: list[Source]) -> AsyncIterator[bytes]:
    """Of one container, or of all that the user sees, as often as their hosts tell."""
    yield b""
    loop, hosts = asyncio.get_running_loop(), {source.host_id: source for source in sources}
    waiting: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(64)

    async def listen(host_id: str) -> None:
        async with listening(keys.stats(host_id)) as subscription:
            while True:
                for entry in await subscription.take() or []:
                    await waiting.put((host_id, entry.content))

    tasks = {host_id: asyncio.create_task(listen(host_id)) for host_id in hosts}
    fresh_until = loop.time() + FRESH_SECONDS
    try:
        while True:
            host_id, entry = await waiting.get()
            if not ask.subject and loop.time() > fresh_until:
                hosts = {source.host_id: source for source in await in_thread(_stats_admit, ask)}
                fresh_until = loop.time() + FRESH_SECONDS
                for new in hosts.keys() - tasks.keys():
                    tasks[new] = asyncio.create_task(listen(new))
            if host_id in hosts and (found := lines_of(hosts[host_id], entry)):
                yield b"".join(line(one) for one in found)
    finally:
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)


def _job_admit(ask: Ask) -> None:
    job_seen(ask.user, ask.subject)


async def _job_run(ask: Ask, _: None) -> AsyncIterator[bytes]:
    async for job in follow_job(ask.user, ask.subject):
        yield line(job)


_JOB = r"/api/v1/jobs/(?P<subject>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/"
_ONE = r"/api/v1/containers/(?P<subject>[0-9a-f]{64})"
_EVENTS = (*(field.name for field in fields(EventQuery)), "ordering", "page_size", "follow")
ENDPOINTS = (
    Endpoint("GET", re.compile(r"/api/v1/events/"), _EVENTS, "follow", NDJSON, _events_admit, _events_run),
    Endpoint("GET", re.compile(r"/api/v1/containers/stats/"), ("stream",), "stream", NDJSON, _stats_admit, _stats_run),
    Endpoint("GET", re.compile(rf"{_ONE}/stats/"), ("stream",), "stream", NDJSON, _stats_admit, _stats_run),
    Endpoint("GET", re.compile(_JOB), ("follow",), "follow", NDJSON, _job_admit, _job_run),
    Endpoint("POST", re.compile(rf"{_ONE}/wait/"), ("condition", "timeout"), None, JSON, _wait_admit, _wait_run),
)
