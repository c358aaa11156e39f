"""How often sockets may be opened, and what takes its time asked for: as REST, by the same count."""

from __future__ import annotations

import asyncio
import dataclasses
import uuid
from typing import Any

import pytest

from tests.webui.cast import Caller
from tests.webui.streams.fake_host import FakeHost, opened, refused
from tests.webui.streams.requests import asked
from webui.live.loop import in_thread
from webui.streams.events import EventsSocket

pytestmark = [pytest.mark.django_db(transaction=True)]

EVENTS, FOLLOWED = "/ws/events/", f"/api/v1/jobs/{uuid.UUID(int=1)}/?follow=true"


@pytest.fixture(autouse=True)
def slow_rate(settings: Any) -> None:
    """Three at once, and one for strangers."""
    settings.PORTSIDE = dataclasses.replace(settings.PORTSIDE, rate_limit=9)


async def test_a_socket_too_many_is_refused_and_nobody_elses(
    fake_host: FakeHost, owner: Caller, teammate: Caller
) -> None:
    assert [await refused(EVENTS, owner.headers) for _ in range(4)] == [101, 101, 101, 429]
    assert await refused(EVENTS, teammate.headers) == 101


async def test_all_doors_of_rest_count_together(fake_host: FakeHost, owner: Caller) -> None:
    assert await refused(EVENTS, owner.headers) == 101
    assert (await in_thread(owner.get, "hosts/")).status_code == 200
    async with asked("GET", FOLLOWED, owner) as answer:
        assert (await answer.begun()).status == 404
    assert await refused(EVENTS, owner.headers) == 429
    async with asked("GET", FOLLOWED, owner) as answer:
        assert (await answer.begun()).status == 429
        assert int(answer.headers["retry-after"]) >= 1 and answer.headers["ratelimit-limit"] == "9"
        assert b'"family": "resource_exhausted"' in await answer.rest()


@pytest.mark.parametrize("wrong", [{}, {"Authorization": "Bearer ps_wrong"}, {"Cookie": "sessionid=guessed"}])
async def test_who_is_not_let_in_is_counted_by_the_address(
    fake_host: FakeHost, owner: Caller, wrong: dict[str, str]
) -> None:
    assert [await refused(EVENTS, wrong) for _ in range(2)] == [401, 429]
    assert await refused(EVENTS, owner.headers) == 101


async def test_an_open_socket_costs_nothing_more(
    fake_host: FakeHost, owner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is looked again and again whether its user may still have it."""
    monkeypatch.setattr(EventsSocket, "again_seconds", 0.02)
    async with opened(EVENTS, owner):
        await asyncio.sleep(0.5)
        assert [await refused(EVENTS, owner.headers) for _ in range(2)] == [101, 101]
