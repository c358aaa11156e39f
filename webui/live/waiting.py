"""Sleeping until something may have happened to a container: an event of it, its row, or one of its jobs."""

from __future__ import annotations

import asyncio
from typing import Any

from webui.live.broadcaster import Subscription
from webui.live.following import woken


async def told(container_id: str, activity: Subscription, changes: Subscription, seconds: float | None) -> bool:
    """Sleep until an event or a change concerns the container; False when the time is over first."""
    events = asyncio.create_task(woken(activity, None, None, container_id))
    others = asyncio.create_task(_changed(container_id, changes))
    try:
        done, _ = await asyncio.wait({events, others}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        return bool(done)
    finally:
        for task in (events, others):
            task.cancel()
        await asyncio.gather(events, others, return_exceptions=True)


async def _changed(container_id: str, changes: Subscription) -> None:
    """A container's row or one of its jobs: what fails before it runs is told by no event."""
    while True:
        entries = await changes.take()
        if entries is None or any(_is_about(entry.content, container_id) for entry in entries):
            return


def _is_about(change: dict[str, Any], container_id: str) -> bool:
    if change.get("kind") == "job":
        return (change.get("object") or {}).get("subject") == container_id
    return change.get("kind") == "container" and change.get("id") == container_id
