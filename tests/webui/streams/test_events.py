"""`/ws/events/`: changes of one's own teams, from the snapshot's id on; what can't be had is a reset."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import Caller
from tests.webui.streams.fake_host import FakeHost, opened, refused
from webui.accounts.models import Membership, Team
from webui.live import broadcaster
from webui.live.loop import in_thread
from webui.streams import events
from webui.streams.events import EventsSocket
from worker.contract import keys

pytestmark = pytest.mark.django_db(transaction=True)


async def change(fake_host: FakeHost, team: Any, number: int = 1, **more: Any) -> str:
    message = {
        "team": str(team.pk),
        "kind": "container",
        "action": "updated",
        "id": "c1",
        "object": {"n": number},
        **more,
    }
    return (await fake_host.client.xadd(keys.CHANGES, {"m": json.dumps(message)})).decode()


async def test_a_change_reaches_the_page_with_its_id_and_object(fake_host: FakeHost, owner: Caller, team: Team) -> None:
    async with opened("/ws/events/", owner) as socket:
        assert (await socket.message())["type"] == "hello"
        entry_id = await change(fake_host, team)
        assert await socket.message() == {
            "type": "change",
            "id": entry_id,
            "kind": "container",
            "action": "updated",
            "object_id": "c1",
            "object": {"n": 1},
        }


async def test_what_changed_between_the_snapshot_and_the_socket_is_made_up_for_in_order(
    fake_host: FakeHost, owner: Caller, team: Team
) -> None:
    snapshot = await change(fake_host, team, 1)
    missed = [await change(fake_host, team, number) for number in (2, 3)]
    async with opened(f"/ws/events/?since={snapshot}", owner) as socket:
        assert await socket.message() == {"type": "hello", "last": snapshot}
        live = await change(fake_host, team, 4)
        assert [(await socket.message())["id"] for _ in range(3)] == [*missed, live]


async def test_changes_of_other_teams_are_never_sent(fake_host: FakeHost, outsider: Caller, team: Team) -> None:
    snapshot = await change(fake_host, team, 1)
    await change(fake_host, team, 2)
    async with opened(f"/ws/events/?since={snapshot}", outsider) as socket:
        await socket.message()
        await change(fake_host, team, 3)
        assert await socket.silent()


async def test_a_since_that_was_trimmed_away_is_a_reset(fake_host: FakeHost, owner: Caller, team: Team) -> None:
    since = await change(fake_host, team)
    for number in range(5):
        await change(fake_host, team, number)
    await fake_host.client.xtrim(keys.CHANGES, maxlen=2, approximate=False)
    async with opened(f"/ws/events/?since={since}", owner) as socket:
        await socket.message()
        assert await socket.message() == {"type": "reset"}


async def test_a_since_from_before_the_broker_lost_its_memory_is_a_reset(
    fake_host: FakeHost, owner: Caller, team: Team
) -> None:
    await change(fake_host, team)
    async with opened("/ws/events/?since=99999999999999-0", owner) as socket:
        await socket.message()
        assert await socket.message() == {"type": "reset"}


async def test_too_many_missed_changes_are_a_reset(
    fake_host: FakeHost, owner: Caller, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "BACKFILL_MAXIMUM", 2)
    since = await change(fake_host, team)
    for number in range(3):
        await change(fake_host, team, number)
    async with opened(f"/ws/events/?since={since}", owner) as socket:
        await socket.message()
        assert await socket.message() == {"type": "reset"}


async def test_a_reader_that_falls_behind_is_reset_and_then_sees_the_latest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broadcaster, "BEHIND_MAXIMUM", 10)
    subscription = broadcaster.Subscription("0-0")
    for number in range(20):
        subscription.put([broadcaster.Entry(f"{number}-0", {})])
    assert await subscription.take() is None
    subscription.put([broadcaster.Entry("20-0", {})])
    assert [entry.id for entry in await subscription.take() or []] == ["20-0"]


async def test_of_many_waiting_changes_only_the_last_of_each_object_is_sent(
    fake_host: FakeHost, owner: Caller, team: Team
) -> None:
    since = await change(fake_host, team)
    for number in range(60):
        await change(fake_host, team, number, id=f"c{number % 2}")
    async with opened(f"/ws/events/?since={since}", owner) as socket:
        await socket.message()
        assert [(await socket.message())["object"]["n"] for _ in range(2)] == [58, 59]
        assert await socket.silent()


async def reading(fake_host: FakeHost) -> int:
    """How many connections of the broker read a stream."""
    return sum(client["cmd"] == "xread" for client in await fake_host.client.client_list())


async def test_all_sockets_of_a_process_share_one_reader(
    site_broker: Valkey, owner: Caller, fake_host: FakeHost
) -> None:
    async with opened("/ws/events/", owner) as one, opened("/ws/events/", owner) as two:
        await one.message(), await two.message()
        while not (readers := await reading(fake_host)):
            await asyncio.sleep(0.01)
        assert readers == 1
    while await reading(fake_host):
        await asyncio.sleep(0.01)


async def test_a_broker_that_comes_back_goes_on_without_a_new_socket(
    site_broker: Valkey, owner: Caller, team: Team, fake_host: FakeHost
) -> None:
    await change(fake_host, team, 0)
    async with opened("/ws/events/", owner) as socket:
        await socket.message()
        await fake_host.client.execute_command("WAITAOF", 1, 0, 0)  # appendfsync everysec
        await asyncio.to_thread(site_broker.kill)
        await asyncio.to_thread(site_broker.start)
        entry_id = await change(fake_host, team, 1)
        assert (await socket.message())["id"] == entry_id


async def test_a_lost_membership_closes_the_socket(
    fake_host: FakeHost, owner: Caller, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EventsSocket, "again_seconds", 0.1)
    async with opened("/ws/events/", owner) as socket:
        await socket.message()
        await in_thread(Membership.objects.all().delete)
        await change(fake_host, team)
        while not await socket.silent():  # it looks again every 0.1 s
            assert (await socket.message())["type"] == "change"
            await change(fake_host, team)
        assert owner.user is not None
        await in_thread(owner.user.tokens.all().delete)
        assert await socket.closed() == 4401


async def test_a_since_that_is_no_id_is_refused(owner: Caller) -> None:
    for since in ("yesterday", "5--3", "-1", "99999999999999999999999"):
        assert await refused(f"/ws/events/?since={since}", owner.headers) == 400
