"""Waiting for a change of rights, which has to end when it is told to."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from tests.support.valkey import Valkey
from tests.webui.site_broker import site_broker  # noqa: F401
from webui.broadcast import RIGHTS, broker
from webui.live import revoking
from webui.live.revoking import Watch, change_await, rights_heard, rights_of
from worker.contract import keys


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


def tell(*users: int) -> None:
    broker().xadd(keys.CHANGES, {"m": json.dumps({"kind": RIGHTS, "object": {"users": users}})})


async def looked_at_once(since: int | None) -> bool:
    """Whether who comes now, and has noted `since`, is to look again at once."""
    async with rights_of(1, since) as changed:
        await asyncio.sleep(0.05)
        return changed.is_set()


async def test_who_comes_while_others_are_there_looks_once(site_broker: Valkey) -> None:  # noqa: F811
    assert await looked_at_once(rights_heard()), "nobody listened: it may have been told meanwhile"
    assert not await looked_at_once(rights_heard())


async def test_what_changes_between_the_look_and_the_listening_is_not_missed(site_broker: Valkey) -> None:  # noqa: F811
    async with rights_of(2) as listening:
        await asyncio.wait_for(listening.wait(), 60)
        noted = rights_heard()
        async with rights_of(3) as heard:
            await asyncio.to_thread(tell, 1, 3)
            await asyncio.wait_for(heard.wait(), 60)
        assert await looked_at_once(noted)
        assert not await looked_at_once(rights_heard())


async def test_the_watch_stays_a_moment_for_who_comes_next(
    monkeypatch: pytest.MonkeyPatch,
    site_broker: Valkey,  # noqa: F811
) -> None:
    monkeypatch.setattr(revoking, "LINGER_SECONDS", 0.2)
    watch = Watch()
    watch.leave(1, watch.enter(1, None))
    task = watch._task
    await asyncio.sleep(0.1)
    event = watch.enter(1, None)
    await asyncio.sleep(0.3)
    assert task is not None and watch._task is task and not task.done(), "somebody is there"
    watch.leave(1, event)
    await asyncio.sleep(0.4)
    assert task.done()
