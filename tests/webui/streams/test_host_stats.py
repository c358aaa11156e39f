"""`/ws/hosts/{id}/stats/`."""

from __future__ import annotations

import json

import pytest

from tests.webui.cast import Caller
from tests.webui.site_broker import HOST_ID
from tests.webui.streams.fake_host import FakeHost, opened, refused
from webui.hosts.models import Host
from worker.contract import keys

pytestmark = pytest.mark.django_db(transaction=True)


async def tick(fake_host: FakeHost, at: float, cpu: float) -> None:
    entry = {"at": at, "host": {"cpu_percent": cpu}, "containers": {}}
    await fake_host.client.xadd(keys.stats(HOST_ID), {"m": json.dumps(entry)})


async def test_a_hosts_last_figures_come_at_once_and_then_live(fake_host: FakeHost, owner: Caller, host: Host) -> None:
    await tick(fake_host, 1.0, 5.0)
    await tick(fake_host, 3.0, 6.0)
    async with opened(f"/ws/hosts/{HOST_ID}/stats/", owner) as socket:
        assert await socket.message() == {"type": "history", "samples": [{"at": 3.0, "cpu_percent": 6.0}]}
        await tick(fake_host, 5.0, 7.0)
        assert await socket.message() == {"type": "sample", "sample": {"at": 5.0, "cpu_percent": 7.0}}


async def test_an_outsider_sees_no_figures(fake_host: FakeHost, outsider: Caller, host: Host) -> None:
    assert await refused(f"/ws/hosts/{HOST_ID}/stats/", outsider.headers) == 404
