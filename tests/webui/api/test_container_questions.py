"""`GET /api/v1/containers/{id}/top/` and its like: what the host answers, or why it doesn't."""

from __future__ import annotations

import json

import pytest

from tests.support.valkey import Valkey
from tests.webui.answering import Answering, frames_of
from tests.webui.cast import CONTAINER_ID, Caller
from tests.webui.site_broker import HOST_ID
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.links import stream
from worker.contract import frames, keys
from worker.contract.frames import Frame

pytestmark = pytest.mark.django_db(transaction=True)

PATH = f"containers/{CONTAINER_ID}/top/"
PROCESS = {"pid": 1, "host_pid": 4711, "parent": 0, "user": "root", "cpu_percent": 1.5, "cpu_seconds": 2.0,
           "memory_bytes": 4096, "threads": 1, "state": "running", "started_at": 5.0, "command": "sh"}  # fmt: skip


def test_the_hosts_answer_is_handed_on(answering: Answering, teammate: Caller, container: Container) -> None:
    asked = answering(*frames_of({"at": 1.0, "processes": [PROCESS]}))
    answer = teammate.get(PATH)
    assert (answer.status_code, answer.json()) == (200, {"at": 1.0, "processes": [PROCESS]})
    assert answer.headers["Cache-Control"] == "no-store"
    assert (asked[0]["source"], asked[0]["container_id"], asked[0]["follow"]) == ("top", CONTAINER_ID, False)


def test_changed_files_are_asked_for_in_the_same_way(
    answering: Answering, teammate: Caller, outsider: Caller, container: Container
) -> None:
    told = {"changes": [{"path": "/a", "change": "added", "type": "file", "size_bytes": 3}], "more": False}
    asked = answering(*frames_of(told))
    assert outsider.get(f"containers/{CONTAINER_ID}/changes/").status_code == 404
    answer = teammate.get(f"containers/{CONTAINER_ID}/changes/")
    assert (answer.status_code, answer.json(), asked[0]["source"]) == (200, told, "changes")


def test_the_hosts_refusal_keeps_its_family(answering: Answering, owner: Caller, container: Container) -> None:
    error = {"family": "conflict", "message": "start it first", "detail": {}}
    answering(Frame(frames.ERROR, 0, 0, 1.0, json.dumps(error).encode()))
    answer = owner.get(PATH)
    assert (answer.status_code, answer.json()["detail"]) == (409, "start it first")


def test_a_host_that_is_away_or_silent_is_a_503(
    site_broker: Valkey, owner: Caller, container: Container, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "FIRST_SECONDS", 0.05)
    monkeypatch.setattr(stream, "_BLOCK_MILLISECONDS", 20)
    assert owner.get(PATH).status_code == 503
    Host.objects.update(heartbeat_at=None)
    assert owner.get(PATH).status_code == 503


def test_an_outsider_learns_nothing(
    site_broker: Valkey, outsider: Caller, nobody: Caller, container: Container
) -> None:
    assert outsider.get(PATH).status_code == 404
    assert nobody.get(PATH).status_code == 401
    assert site_broker.client().xlen(keys.control(HOST_ID)) == 0
