"""`/ws/jobs/{id}/` and `/ws/containers/{id}/stats/`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.site_broker import HOST_ID
from tests.webui.streams.fake_host import FakeHost, opened
from webui.containers.models import Container
from webui.jobs.models import Job
from webui.jobs.services import job_apply, job_broadcast
from webui.live.loop import in_thread
from worker.contract import keys

pytestmark = pytest.mark.django_db(transaction=True)


async def test_a_job_is_shown_now_and_at_each_change_until_its_end(
    fake_host: FakeHost, owner: Caller, job: Job
) -> None:
    def move(**news: Any) -> None:
        job_apply(job=job, **news)
        job_broadcast(job)

    async with opened(f"/ws/jobs/{job.pk}/", owner) as socket:
        first = await socket.message()
        assert (first["type"], first["job"]["id"], first["job"]["status"]) == ("job", str(job.pk), "queued")
        items = [{"id": "l1", "status": "downloading", "done_bytes": 5, "total_bytes": 10}]
        await in_thread(lambda: move(progress={"phase": "pulling", "items": items}))
        assert (await socket.message())["job"]["progress"] == {"phase": "pulling", "items": items}
        await in_thread(lambda: move(finished={"status": "succeeded", "at": job.created_at}))
        assert (await socket.message())["job"]["status"] == "succeeded"
        assert await socket.closed() == 1000


async def test_stats_come_as_history_and_then_live(fake_host: FakeHost, owner: Caller, container: Container) -> None:
    async def tick(at: float, containers: dict[str, Any]) -> None:
        entry = {"at": at, "host": {"cpu_percent": 1.0}, "containers": containers}
        await fake_host.client.xadd(keys.stats(HOST_ID), {"m": json.dumps(entry)})

    await tick(1.0, {CONTAINER_ID: {"cpu_percent": 5.0, "memory_bytes": 100}})
    await tick(2.0, {"another": {"cpu_percent": 99.0, "memory_bytes": 1}})
    async with opened(f"/ws/containers/{CONTAINER_ID}/stats/", owner) as socket:
        assert await socket.message() == {
            "type": "history",
            "samples": [{"at": 1.0, "cpu_percent": 5.0, "memory_bytes": 100}],
        }
        await tick(3.0, {CONTAINER_ID: {"cpu_percent": 7.0, "memory_bytes": 200}})
        assert await socket.message() == {
            "type": "sample",
            "sample": {"at": 3.0, "cpu_percent": 7.0, "memory_bytes": 200},
        }
