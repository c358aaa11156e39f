"""Waiting for a change of rights, which has to end when it is told to."""

from __future__ import annotations

import asyncio
import time

from webui.live.revoking import change_await


async def test_who_is_cancelled_at_the_moment_of_a_change_still_ends() -> None:
    """A socket that closes just as somebody's rights change would wait for this task for ever."""
    changed = asyncio.Event()

    async def look_again() -> None:
        while True:
            await change_await(changed, 3600)

    task = asyncio.create_task(look_again())
    await asyncio.sleep(0)
    changed.set()
    task.cancel()
    await asyncio.wait({task}, timeout=60)
    assert task.cancelled()


async def test_a_change_is_seen_once_and_time_ends_the_waiting_too() -> None:
    changed = asyncio.Event()
    changed.set()
    await change_await(changed, 3600)
    assert not changed.is_set()
    begun = time.monotonic()
    await change_await(changed, 0.05)
    assert time.monotonic() - begun >= 0.05
