"""What of REST takes its time: followed events and figures, and waiting for a container."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import defaultdict
from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.inbox.conftest import FakeHost as Pier
from tests.webui.site_broker import HOST_ID
from tests.webui.streams.requests import Answer, asked
from webui.accounts.telling import people_told
from webui.activity import waiting
from webui.activity.models import Event
from webui.api.views.docs import document
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.inbox.reader import Inbox
from webui.jobs.models import Job
from webui.jobs.services import job_broadcast
from webui.live.broadcaster import feed
from webui.live.loop import in_thread
from webui.streams import rest
from webui.streams.endpoints import ENDPOINTS
from worker.contract import keys

pytestmark = pytest.mark.django_db(transaction=True)

WAIT = f"/api/v1/containers/{CONTAINER_ID}/wait/"


class Quay:
    """A host that tells, and an inbox that listens."""

    def __init__(self, broker: Valkey) -> None:
        self.pier, self.inbox = Pier(broker), Inbox()

    async def says(self, kind: str, status: str = "running", **more: Any) -> None:
        state = {"id": CONTAINER_ID, "name": "web", "image": "alpine", "status": status, **more}
        await self.tells(kind, CONTAINER_ID, state)

    async def tells(self, kind: str, subject: str, attributes: dict[str, Any]) -> None:
        def tell() -> None:
            self.pier.say(kind, subject, attributes)
            self.inbox.read_once()

        await in_thread(tell)


@pytest.fixture
def quay(site_broker: Valkey, container: Container) -> Quay:
    Container.objects.update(observed_seq=1)  # it has been heard of, and all that is told here is newer
    quay = Quay(site_broker)
    quay.pier.append("host.stopped", HOST_ID)
    Host.objects.update(last_event_seq=1)
    return quay


async def event(answer: Answer) -> tuple[str, int]:
    found = json.loads(await answer.line())
    return found["action"], found["id"]


async def outcome(answer: Answer) -> tuple[bool, int | None]:
    await answer.begun()
    assert answer.status == 200
    found = json.loads(await answer.rest())
    return found["reached"], found["exit_code"]


async def test_events_are_followed_from_any_point_and_none_comes_twice(
    quay: Quay, container: Container, owner: Caller, outsider: Caller
) -> None:
    await quay.says("container.started")
    async with (
        asked("GET", "/api/v1/events/?follow=true&since=0", owner) as all_of_them,
        asked("GET", "/api/v1/events/?follow=true&event=die", owner) as deaths,
        asked("GET", "/api/v1/events/?follow=true&since=0", outsider) as nothing,
    ):
        for answer in (all_of_them, deaths, nothing):
            await answer.begun()
            assert (answer.status, answer.headers["content-type"]) == (200, "application/x-ndjson")
        action, first = await event(all_of_them)
        assert action == "start"
        for _ in range(3):
            await quay.says("container.died", "stopped", exit_code=1)
            await quay.says("container.started")
        assert [(await event(all_of_them))[0] for _ in range(6)] == ["die", "start"] * 3
        seen = [(await event(deaths))[0] for _ in range(1)]
        assert seen == ["die"]
        async with asked("GET", f"/api/v1/events/?follow=true&after={first}&event=start", owner) as later:
            await later.begun()
            assert [(await event(later))[0] for _ in range(3)] == ["start"] * 3
            await later.leave()
        await all_of_them.leave()
        await nothing.leave()
        assert nothing.sent() == b""


async def test_who_follows_until_a_moment_is_sent_to_the_end(quay: Quay, container: Container, owner: Caller) -> None:
    await quay.says("container.started")
    async with asked("GET", "/api/v1/events/?follow=true&since=0&until=4102444800", owner) as far:
        await far.begun()
        assert (await event(far))[0] == "start"
    async with asked("GET", "/api/v1/events/?follow=true&since=0&until=1", owner) as past:
        await past.begun()
        assert await past.rest() == b""


async def test_who_was_not_woken_hears_of_it_when_the_inbox_begins_anew(
    quay: Quay, container: Container, owner: Caller
) -> None:
    async with asked("GET", "/api/v1/events/?follow=true&since=0", owner) as answer:
        await answer.begun()

        def without_a_word() -> None:
            Event.objects.create(
                host_id=HOST_ID, team=container.team, seq=1, at=container.created_at, type="container", verb="start",
                action="start", actor_id=CONTAINER_ID, container_id=CONTAINER_ID,
            )  # fmt: skip
            quay.inbox._tell_what_is_applied()

        await in_thread(without_a_word)
        assert (await event(answer))[0] == "start"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/v1/events/?follow=true"),
        ("GET", "/api/v1/containers/stats/?stream=true"),
        ("GET", f"/api/v1/containers/{CONTAINER_ID}/stats/?stream=true"),
        ("POST", WAIT),
    ],
)
async def test_nobody_and_outsiders_and_other_pages_are_refused(
    quay: Quay, container: Container, owner: Caller, outsider: Caller, method: str, path: str
) -> None:
    wrong = {"Authorization": "Bearer ps_wrong"}
    cases: list[tuple[Caller | None, dict[str, str], int]] = [
        (None, {}, 401),
        (None, wrong, 401),
        (owner, {"Origin": "https://evil.example"}, 403),
    ]
    if CONTAINER_ID in path:
        cases.append((outsider, {}, 404))
    for caller, headers, status in cases:
        async with asked(method, path, caller, **headers) as answer:
            await answer.begun()
            assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
            assert json.loads(await answer.rest())["status"] == status


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/api/v1/events/?follow=true&since=x", "since"),
        ("/api/v1/events/?follow=true&conatiner=web", "conatiner"),
        (f"{WAIT}?conditon=removed", "conditon"),
        (f"{WAIT}?condition=dead", "condition"),
        (f"{WAIT}?timeout=nan", "timeout"),
    ],
)
async def test_what_can_not_be_asked_is_named(
    quay: Quay, container: Container, owner: Caller, path: str, name: str
) -> None:
    async with asked("POST" if "wait" in path else "GET", path, owner) as answer:
        await answer.begun()
        assert (answer.status, list(json.loads(await answer.rest())["errors"])) == (400, [name])


async def test_a_right_that_is_taken_away_ends_the_answer(
    quay: Quay, container: Container, teammate: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once, without waiting for the regular look."""
    monkeypatch.setattr(rest, "AGAIN_SECONDS", 600.0)
    async with (
        asked("POST", f"{WAIT}?condition=next-exit", teammate) as wait,
        asked("GET", f"/api/v1/containers/{CONTAINER_ID}/stats/?stream=true", teammate) as stats,
    ):
        await stats.begun()
        await listening(1)
        user: Any = teammate.user

        def leave() -> None:
            user.memberships.all().delete()
            people_told([user.pk])

        await in_thread(leave)
        await wait.begun()
        assert (stats.status, wait.status) == (200, 403)
        assert await stats.rest() == b""


async def test_a_wait_ends_with_the_exit_code(quay: Quay, container: Container, owner: Caller) -> None:
    await quay.says("container.started")
    paths = [WAIT, f"{WAIT}?condition=next-exit", f"{WAIT}?condition=removed&timeout=600"]
    async with asked("POST", paths[0], owner) as down, asked("POST", paths[1], owner) as next_exit:
        async with asked("POST", paths[2], owner) as removed:
            tasks = [asyncio.create_task(outcome(answer)) for answer in (down, next_exit, removed)]
            await listening(3)
            await quay.says("container.died", "stopped", exit_code=7)
            await quay.says("container.started")  # so short a rest that no look sees it
            assert await tasks[0] == (True, 7) and await tasks[1] == (True, 7)
            await quay.says("container.died", "stopped", exit_code=9)
            await quay.tells("container.removed", CONTAINER_ID, {"type": "container"})
            assert await tasks[2] == (True, 9)


async def listening(count: int) -> None:
    """So many wait, and none of them begins only after what is told next."""
    while len(feed(keys.ACTIVITY)._subscriptions) < count:
        await asyncio.sleep(0.01)


async def test_a_container_that_does_not_run_is_not_waited_for(quay: Quay, container: Container, owner: Caller) -> None:
    await quay.says("container.died", "stopped", exit_code=3)
    async with asked("POST", WAIT, owner) as answer:
        assert await outcome(answer) == (True, 3)
    async with asked("POST", f"{WAIT}?condition=next-exit&timeout=0", owner) as answer:
        assert await outcome(answer) == (False, None)
    assert (await in_thread(owner.post, f"{WAIT}?timeout=0")).json()["exit_code"] == 3


@pytest.mark.parametrize(("kind", "subject"), [("container.create", CONTAINER_ID), ("container.recreate", "d" * 64)])
async def test_one_that_is_just_being_started_is_and_its_failure_is_told(
    quay: Quay, container: Container, job: Job, owner: Caller, kind: str, subject: str
) -> None:
    def begin() -> None:
        Container.objects.filter(pk=CONTAINER_ID).update(observed_status="created")
        Job.objects.filter(pk=job.pk).update(
            kind=kind, subject=subject, status="running", command={"start": True, "container_id": CONTAINER_ID}
        )

    def fail() -> None:
        Container.objects.filter(pk=CONTAINER_ID).update(error="no such image")
        Job.objects.filter(pk=job.pk).update(status="failed")
        job_broadcast(Job.objects.select_related("host", "team", "requested_by").get(pk=job.pk))

    await in_thread(begin)
    async with asked("POST", f"{WAIT}?timeout=0", owner) as answer:
        assert await outcome(answer) == (False, None)
    async with asked("POST", WAIT, owner) as answer:
        task = asyncio.create_task(answer.begun())
        await listening(1)
        await in_thread(fail)
        found = json.loads(await (await task).rest())
        assert (found["reached"], found["exit_code"], found["error"]) == (True, None, "no such image")


@pytest.mark.parametrize(
    ("change", "error"), [({"error": "no image"}, "no image"), ({"observed_status": "running"}, None)]
)
def test_a_start_that_is_over_while_one_looks_is_seen_as_it_ended(
    container: Container, monkeypatch: pytest.MonkeyPatch, change: dict[str, str], error: str | None
) -> None:
    Container.objects.filter(pk=CONTAINER_ID).update(observed_status="created")

    def just_over(row: Container) -> bool:
        Container.objects.filter(pk=CONTAINER_ID).update(**change)
        return True

    monkeypatch.setattr(waiting, "_is_down", just_over)
    outcome = waiting.wait_look(waiting.wait_begin(CONTAINER_ID))
    assert (outcome and outcome.error) == error


def figures(at: float, *ids: str) -> dict[str, str]:
    one = {"cpu_percent": 1.5, "memory_bytes": 4096}
    return {"m": json.dumps({"at": at, "host": {}, "containers": dict.fromkeys(ids, one)})}


async def test_figures_come_once_or_as_often_as_the_host_tells(
    quay: Quay, container: Container, owner: Caller, outsider: Caller
) -> None:
    from time import time

    key = keys.stats(HOST_ID)
    one = f"/api/v1/containers/{CONTAINER_ID}/stats/"
    assert (await in_thread(owner.get, one)).status_code in (409, 503)
    now = time()
    await in_thread(quay.pier.client.xadd, key, figures(now, CONTAINER_ID, "f" * 64))
    expected = {"id": CONTAINER_ID, "name": "web", "at": now, "cpu_percent": 1.5, "memory_bytes": 4096}
    assert (await in_thread(owner.get, one)).json() == expected
    assert (await in_thread(owner.get, "/api/v1/containers/stats/")).json() == {"results": [expected]}
    assert (await in_thread(outsider.get, "/api/v1/containers/stats/")).json() == {"results": []}
    async with (
        asked("GET", f"{one}?stream=true", owner) as single,
        asked("GET", "/api/v1/containers/stats/?stream=true", owner) as everything,
    ):
        for answer in (single, everything):
            await answer.begun()
        tasks = [asyncio.create_task(answer.line()) for answer in (single, everything)]
        at = now
        while not all(task.done() for task in tasks):  # they may begin to listen after the first
            at += 2
            await in_thread(quay.pier.client.xadd, key, figures(at, CONTAINER_ID, "f" * 64))
            await asyncio.wait(tasks, timeout=0.1)
        for task in tasks:
            told = json.loads(task.result())
            assert told["id"] == CONTAINER_ID and told["at"] > now


def test_what_is_followed_takes_the_parameters_that_the_document_has() -> None:
    ids = defaultdict(str, job_id=str(uuid.UUID(int=1)), container_id=CONTAINER_ID)
    for endpoint in ENDPOINTS:
        (described,) = [
            methods[endpoint.method.lower()]
            for path, methods in document()["paths"].items()
            if endpoint.path.fullmatch(path.format_map(ids))
        ]
        named = {one["name"] for one in described["parameters"] if one["in"] == "query"}
        assert set(endpoint.parameters) == named, endpoint.path.pattern
