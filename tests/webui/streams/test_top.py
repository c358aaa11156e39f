"""`/ws/containers/{id}/top/`: the host is asked again and again, and its refusal ends it."""

from __future__ import annotations

import json

import pytest

from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.streams.fake_host import FakeHost, opened
from webui.containers.models import Container
from webui.streams import top
from worker.contract import frames
from worker.contract.frames import Frame

pytestmark = pytest.mark.django_db(transaction=True)

PATH = f"/ws/containers/{CONTAINER_ID}/top/"


async def test_processes_come_again_until_the_container_ends(
    fake_host: FakeHost, teammate: Caller, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(top, "EVERY_SECONDS", 0.05)
    async with opened(PATH, teammate) as socket:
        for number in (1, 2):
            asked = await fake_host.next_control("stream.open")
            assert asked["source"] == "top"
            data = json.dumps({"at": float(number), "processes": [{"pid": number}]}).encode()
            end = Frame(frames.END, 0, len(data), 1.0)
            await fake_host.send(asked["stream_id"], Frame(frames.DATA, 0, len(data), 1.0, data), end)
            assert await socket.message() == {"type": "top", "at": float(number), "processes": [{"pid": number}]}
        asked = await fake_host.next_control("stream.open")
        error = {"family": "conflict", "message": "start it first", "detail": {}}
        await fake_host.send(asked["stream_id"], Frame(frames.ERROR, 0, 0, 1.0, json.dumps(error).encode()))
        assert (await socket.message())["error"] == {"family": "conflict", "message": "start it first"}
        assert await socket.closed() == 1000


async def test_many_who_look_are_one_question(
    fake_host: FakeHost, owner: Caller, teammate: Caller, container: Container
) -> None:
    async with opened(PATH, teammate) as first, opened(PATH, owner) as second:
        asked = await fake_host.next_control("stream.open")
        data = json.dumps({"at": 1.0, "processes": [{"pid": 1}]}).encode()
        end = Frame(frames.END, 0, len(data), 1.0)
        await fake_host.send(asked["stream_id"], Frame(frames.DATA, 0, len(data), 1.0, data), end)
        for socket in (first, second):
            assert await socket.message() == {"type": "top", "at": 1.0, "processes": [{"pid": 1}]}
        assert len([one for one in fake_host.control if one["kind"] == "stream.open"]) == 1
