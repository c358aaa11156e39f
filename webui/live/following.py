"""Following the events: the database has them in order, the broker only says when to look again.

So nothing is lost with the broker, and nobody waits for it: who follows reads what came after the last event it has
seen, sends it, and sleeps until something for its teams was written.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from django.db.models import Max
from django.utils import timezone

from webui.accounts.models import Team, User
from webui.activity.models import Event
from webui.activity.query import EventQuery
from webui.activity.representation import event_as_json
from webui.live.broadcaster import Subscription, listening
from webui.live.loop import in_thread
from worker.contract import keys

PAGE = 500


def teams_of(user: User) -> frozenset[str] | None:
    """The teams whose events `user` sees; None for all."""
    if user.is_unlimited:
        return None
    return frozenset(str(team) for team in Team.objects.visible_to(user).values_list("pk", flat=True))


async def follow(user: User, query: EventQuery) -> AsyncIterator[list[dict[str, Any]]]:
    """What the query asks for, in batches, and what comes from then on; it ends at `until`.

    Without `after` and `since` it begins now.
    """
    async with listening(keys.ACTIVITY) as subscription:
        teams = await in_thread(teams_of, user)
        cursor = query.after
        if cursor is None:
            cursor = 0 if query.since is not None else await in_thread(_newest)
        while True:
            rows, cursor, is_all = await in_thread(_page, user, query, cursor)
            if rows:
                yield rows
            if not is_all:
                continue
            if query.until is not None and timezone.now() >= query.until:
                return
            await woken(subscription, teams, _left(query))


async def woken(
    subscription: Subscription, teams: frozenset[str] | None, seconds: float | None, container_id: str | None = None
) -> None:
    """Sleep until there may be something new for one of `teams` (and of this container), or the time is over."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                entries = await subscription.take()
                if entries is None or any(_concerns(entry.content, teams, container_id) for entry in entries):
                    return
    except TimeoutError:
        return


def _concerns(content: dict[str, Any], teams: frozenset[str] | None, container_id: str | None) -> bool:
    told = content.get("teams") or ()
    if not told:
        return True
    if container_id is not None:
        return container_id in (content.get("containers") or ())
    return teams is None or not teams.isdisjoint(told)


def _left(query: EventQuery) -> float | None:
    return None if query.until is None else max(0.0, (query.until - timezone.now()).total_seconds())


def _newest() -> int:
    return Event.objects.aggregate(newest=Max("id"))["newest"] or 0


def _page(user: User, query: EventQuery, cursor: int) -> tuple[list[dict[str, Any]], int, bool]:
    """The next events after `cursor`, the cursor after them, and whether that was all there is now."""
    newest = max(_newest(), cursor)
    found = replace(query, after=cursor).rows(user).filter(id__lte=newest).order_by("id")
    rows = [event_as_json(event) for event in found[:PAGE]]
    is_all = len(rows) < PAGE
    return rows, newest if is_all else rows[-1]["id"], is_all
