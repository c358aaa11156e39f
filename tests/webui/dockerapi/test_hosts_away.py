"""At a host that is away Docker's door waits a while, as for a worker that starts anew, and says so then."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from django.utils import timezone

from tests.support.valkey import Valkey
from tests.webui.cast import Caller
from tests.webui.dockerapi.asked import ask
from webui.containers.models import Container
from webui.dockerapi import asking
from webui.hosts.models import Host
from webui.images.models import Image
from webui.jobs.models import Job
from webui.live.loop import in_thread

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "AWAY_SECONDS", 0.5)
    monkeypatch.setattr(asking, "LOOK_SECONDS", 0.2)


def is_away(host: Host, *, days: int = 3) -> None:
    Host.objects.filter(pk=host.pk).update(heartbeat_at=timezone.now() - timedelta(days=days))


async def test_what_a_host_that_is_away_has_not_begun_is_taken_back(
    site_broker: Valkey, owner: Caller, container: Container
) -> None:
    await in_thread(is_away, container.host)
    answer = await ask("POST", "/v1.43/containers/web/stop", owner)
    assert (answer.status, answer.message) == (
        503,
        "the host pier does not answer: see that its worker runs; nothing was done",
    )
    assert (await Job.objects.aget()).status == "cancelled"


async def test_a_container_that_was_not_made_goes_once_the_host_is_back(
    site_broker: Valkey, owner: Caller, image: Image
) -> None:
    await in_thread(is_away, image.host)
    answer = await ask("POST", "/v1.43/containers/create?name=x", owner, {"Image": "alpine"})
    assert answer.status == 503 and "does not answer" in answer.message
    jobs = [(job.kind, job.status) async for job in Job.objects.order_by("created_at")]
    assert jobs == [("container.create", "cancelled"), ("container.remove", "queued")]


async def test_a_host_that_is_there_or_comes_back_is_waited_for(
    site_broker: Valkey, owner: Caller, container: Container
) -> None:
    await in_thread(is_away, container.host)
    asked = asyncio.create_task(ask("POST", "/v1.43/containers/web/stop", owner))
    await asyncio.sleep(0.3)
    await in_thread(lambda: is_away(container.host, days=0))
    await asyncio.sleep(1)
    assert not asked.done() and (await Job.objects.aget()).status == "queued"
    await Job.objects.aupdate(status="succeeded")
    assert (await asked).status == 204
