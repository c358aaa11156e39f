"""Sockets over a real uvicorn and a real client: statuses of refusals, and a browser that stops reading."""

from __future__ import annotations

import asyncio
import json

import pytest
import websockets
from websockets.exceptions import InvalidStatus

from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.streams.fake_host import FakeHost
from webui.accounts.models import Team
from webui.containers.models import Container
from worker.contract import keys

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("path", ["/ws/events/", f"/ws/containers/{CONTAINER_ID}/logs/"])
async def test_who_is_not_signed_in_is_answered_401(live_site: str, path: str, container: Container) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await websockets.connect(f"ws://{live_site}{path}")
    assert refusal.value.response.status_code == 401
    assert b"sign in" in refusal.value.response.body


async def test_an_outsider_is_answered_404(live_site: str, outsider: Caller, container: Container) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await websockets.connect(
            f"ws://{live_site}/ws/containers/{CONTAINER_ID}/logs/", additional_headers=outsider.headers
        )
    assert refusal.value.response.status_code == 404


async def test_a_page_of_another_site_is_answered_403(live_site: str, owner: Caller) -> None:
    with pytest.raises(InvalidStatus) as refusal:
        await websockets.connect(
            f"ws://{live_site}/ws/events/", origin="https://evil.example", additional_headers=owner.headers
        )
    assert refusal.value.response.status_code == 403


async def test_a_browser_that_stops_reading_is_reset_holds_up_nobody_and_ends_with_the_latest(
    live_site: str, owner: Caller, team: Team, fake_host: FakeHost
) -> None:
    """Its connection takes some, then stands; the others go on; when it reads again it is told to start anew."""
    options = {"additional_headers": owner.headers, "max_size": None, "ping_interval": None}
    padding = "x" * 5000
    async with (
        websockets.connect(f"ws://{live_site}/ws/events/", max_queue=1, **options) as slow,
        websockets.connect(f"ws://{live_site}/ws/events/", **options) as quick,
    ):
        await slow.recv(), await quick.recv()
        last = 0
        for start in range(0, 6000, 200):
            async with fake_host.client.pipeline(transaction=False) as pipeline:
                for number in range(start, start + 200):
                    change = {
                        "team": str(team.pk),
                        "kind": "job",
                        "action": "updated",
                        "id": f"j{number}",
                        "object": padding,
                    }
                    pipeline.xadd(keys.CHANGES, {"m": json.dumps(change)})
                await pipeline.execute()
            while last < start + 199:
                message = json.loads(await asyncio.wait_for(quick.recv(), 60))
                assert message["type"] == "change"
                last = int(message["object_id"][1:])
        kinds = []
        while "reset" not in kinds:
            kinds.append(json.loads(await asyncio.wait_for(slow.recv(), 60))["type"])
        assert len(kinds) < 6000
        final = {"team": str(team.pk), "kind": "job", "action": "updated", "id": "last", "object": None}
        await fake_host.client.xadd(keys.CHANGES, {"m": json.dumps(final)})
        while json.loads(await asyncio.wait_for(slow.recv(), 60)).get("object_id") != "last":
            pass
