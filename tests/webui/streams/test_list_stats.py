"""`/ws/containers/stats/`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.site_broker import HOST_ID
from tests.webui.streams.fake_host import FakeHost, Opened, opened
from webui.accounts.models import Membership
from webui.containers.models import Container
from webui.live.loop import in_thread
from webui.streams.list_stats import ListStatsSocket
from worker.contract import keys

pytestmark = pytest.mark.django_db(transaction=True)
PATH = "/ws/containers/stats/"
OTHER = "f" * 64


async def tick(fake_host: FakeHost, at: float, **cpu: float) -> None:
    """One entry of the host's stream; `cpu` by the container's id."""
    figures = {id_: {"cpu_percent": value, "memory_bytes": 1024, "pids": 3} for id_, value in cpu.items()}
    await told(fake_host, at, figures)


async def told(fake_host: FakeHost, at: float, figures: Any) -> None:
    entry = {"at": at, "host": {}, "containers": figures}
    await fake_host.client.xadd(keys.stats(HOST_ID), {"m": json.dumps(entry)})


async def say(socket: Opened, message: Any) -> None:
    text = message if isinstance(message, str) else json.dumps(message)
    await socket.communicator.send_input({"type": "websocket.receive", "text": text})


def sample(at: float, **cpu: float) -> dict[str, Any]:
    figures = {
        id_: {"cpu_percent": value, "memory_bytes": 1024, "memory_limit_bytes": None} for id_, value in cpu.items()
    }
    return {"at": at, "containers": figures}


async def test_what_is_watched_comes_with_its_last_minute_and_then_live(
    fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    await tick(fake_host, 1.0, **{CONTAINER_ID: 5.0, OTHER: 9.0})
    async with opened(PATH, owner) as socket:
        await say(socket, {"watch": [CONTAINER_ID, OTHER]})
        assert await socket.message() == {"type": "history", "samples": [sample(1.0, **{CONTAINER_ID: 5.0})]}
        await tick(fake_host, 3.0, **{CONTAINER_ID: 6.0, OTHER: 9.0})
        assert await socket.message() == {"type": "sample", "sample": sample(3.0, **{CONTAINER_ID: 6.0})}
        await tick(fake_host, 5.0)
        assert await socket.message() == {"type": "sample", "sample": sample(5.0)}


async def test_traffic_comes_by_interface(fake_host: FakeHost, owner: Caller, container: Container) -> None:
    traffic = {"network_rx_bytes": 5, "network_tx_bytes": 6, "interfaces": {"eth0": [1, 2], "eth1": [4, 4]}}
    figures = {CONTAINER_ID: {"cpu_percent": 1.0, "memory_bytes": 5, **traffic}}
    async with opened(PATH, owner) as socket:
        await say(socket, {"watch": [CONTAINER_ID], "figures": "traffic"})
        assert await socket.message() == {"type": "history", "samples": []}
        await told(fake_host, 1.0, figures)
        assert await socket.message() == {
            "type": "sample",
            "sample": {"at": 1.0, "containers": {CONTAINER_ID: traffic}},
        }


async def test_another_wish_takes_the_place_of_the_last(
    fake_host: FakeHost, owner: Caller, container: Container
) -> None:
    async with opened(PATH, owner) as socket:
        await say(socket, {"watch": [CONTAINER_ID]})
        assert await socket.message() == {"type": "history", "samples": []}
        await say(socket, {"watch": []})
        await say(socket, {"watch": [CONTAINER_ID]})
        assert await socket.message() == {"type": "history", "samples": []}
        await tick(fake_host, 1.0, **{CONTAINER_ID: 2.0})
        assert await socket.message() == {"type": "sample", "sample": sample(1.0, **{CONTAINER_ID: 2.0})}
        assert await socket.silent()


async def test_an_outsider_gets_no_figure(fake_host: FakeHost, outsider: Caller, container: Container) -> None:
    await tick(fake_host, 1.0, **{CONTAINER_ID: 5.0})
    async with opened(PATH, outsider) as socket:
        await say(socket, {"watch": [CONTAINER_ID]})
        assert await socket.silent()


async def test_who_left_the_team_sees_no_more(
    fake_host: FakeHost, teammate: Caller, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ListStatsSocket, "again_seconds", 0.1)
    async with opened(PATH, teammate) as socket:
        await say(socket, {"watch": [CONTAINER_ID]})
        assert await socket.message() == {"type": "history", "samples": []}
        await in_thread(Membership.objects.filter(user=teammate.user).delete)
        for number in range(200):  # the second look comes some time
            await tick(fake_host, float(number), **{CONTAINER_ID: 5.0})
            if await socket.silent(0.3):
                return
            assert (await socket.message())["type"] == "sample"
    raise AssertionError("the figures went on")


@pytest.mark.parametrize(
    "said",
    [
        "{",
        "[]",
        "{}",
        '{"watch": 5}',
        '{"watch": ["../x"]}',
        json.dumps({"watch": ["a" * 64] * 201}),
        '{"watch": [], "figures": "secrets"}',
    ],
)
async def test_a_wrong_wish_is_told_so(fake_host: FakeHost, owner: Caller, said: str) -> None:
    async with opened(PATH, owner) as socket:
        await say(socket, said)
        message = await socket.message()
        assert (message["type"], message["error"]["family"]) == ("error", "invalid_argument")
        assert await socket.closed() == 1000
