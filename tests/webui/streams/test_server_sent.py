"""Streams over REST as server-sent events, and a job that is followed."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.webui.cast import Caller
from tests.webui.streams.requests import Answer, asked
from tests.webui.streams.test_rest import Quay, quay  # noqa: F401
from webui.containers.models import Container
from webui.jobs.models import Job
from webui.jobs.services import job_apply, job_broadcast
from webui.live.loop import in_thread
from webui.streams.server_sent import events

# ruff: noqa: F811
pytestmark = pytest.mark.django_db(transaction=True)

SENT = {"Accept": "text/event-stream"}


async def event(answer: Answer) -> tuple[str, Any]:
    """The next one's id and data; comments are passed over."""
    number = ""
    while True:
        line = (await answer.line()).decode()
        if line.startswith("id: "):
            number = line[4:]
        elif line.startswith("data: "):
            return number, json.loads(line[6:])


async def test_a_client_that_comes_back_goes_on_behind_the_last_event_it_saw(
    quay: Quay,
    container: Container,
    owner: Caller,
) -> None:
    for _ in range(2):
        await quay.says("container.started")
        await quay.says("container.died", "stopped", exit_code=1)
    async with asked("GET", "/api/v1/events/?since=0", owner, **SENT) as answer:
        await answer.begun()
        assert (answer.status, answer.headers["content-type"]) == (200, "text/event-stream")
        first, told = await event(answer)
        assert (told["action"], str(told["id"])) == ("start", first)
        await answer.leave()
    async with asked("GET", "/api/v1/events/?since=0", owner, **SENT, **{"Last-Event-ID": first}) as answer:
        await answer.begun()
        assert [(await event(answer))[1]["action"] for _ in range(3)] == ["die", "start", "die"]
        await answer.leave()


async def test_a_job_is_followed_to_its_end(quay: Quay, owner: Caller, outsider: Caller, job: Job) -> None:
    def move(**news: Any) -> None:
        job_apply(job=job, **news)
        job_broadcast(job)

    path = f"/api/v1/jobs/{job.pk}/"
    async with (
        asked("GET", path, owner, **SENT) as sent,
        asked("GET", f"{path}?follow=true", owner) as lines,
        asked("GET", path, outsider, **SENT) as refused,
    ):
        for answer in (sent, lines, refused):
            await answer.begun()
        assert refused.status == 404
        assert (await event(sent))[1]["status"] == "queued"
        assert json.loads(await lines.line())["status"] == "queued"
        await in_thread(lambda: move(finished={"status": "succeeded", "at": job.created_at}))
        assert (await event(sent))[1]["status"] == "succeeded"
        assert json.loads((await lines.rest()).splitlines()[-1])["status"] == "succeeded"


def test_an_id_can_not_break_out_of_its_line() -> None:
    assert events(b'{"id": "a\\nb"}\n') == b'data: {"id": "a\\nb"}\n\n'
    assert events(b"") == b":\n\n"
    assert events(b'{"id": 1}\n{"id": 2}\n') == b'id: 1\ndata: {"id": 1}\n\nid: 2\ndata: {"id": 2}\n\n'
