"""What is put into a host's queue is what Celery would put there, and what Celery takes from there."""

from __future__ import annotations

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery

from tests.support.processes import PATIENCE_SECONDS
from tests.support.valkey import Valkey
from webui.jobs.celery_message import message
from worker.app import make_app
from worker.contract import keys
from worker.settings import WorkerSettings

HOST = "h1"
ARGUMENTS = {
    "job_id": "j",
    "command": {"kind": "image.pull", "reference": "ä/b\u2028:1", "platform": None},
    "fence": 3,
    "secrets": {"username": "ann", "password": "s3cret"},
}
NOBODYS = ("reply_to", "delivery_tag", "argsrepr", "kwargsrepr")
"""Of the envelope: where a result would go, what another transport knows a message by, and the headers once more."""


def ours() -> str:
    return message(task=keys.TASK_NAME, task_id="j.3", queue=keys.queue(HOST), arguments=ARGUMENTS)


def readable(text: bytes | str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(text)
    found["body"] = json.loads(base64.b64decode(found["body"]))
    for name in NOBODYS:
        found["properties"].pop(name, None)
    assert "@" in found["headers"].pop("origin")
    return found


def test_it_says_what_celery_would_say(site_broker: Valkey) -> None:
    url = "redis+socket://" + site_broker.url.removeprefix("unix://")
    with Celery("portside", broker=url, set_as_current=False, fixups=[]) as app:
        app.send_task(
            keys.TASK_NAME, kwargs=ARGUMENTS, queue=keys.queue(HOST), task_id="j.3", ignore_result=True, retry=False,
            argsrepr="", kwargsrepr="",
        )  # fmt: skip
    [theirs] = site_broker.client().lrange(keys.queue(HOST), 0, -1)
    assert readable(ours()) == readable(theirs)


def test_no_two_have_the_same_tag_and_no_header_a_secret() -> None:
    first, second = json.loads(ours()), json.loads(ours())
    assert first["properties"]["delivery_tag"] != second["properties"]["delivery_tag"]
    assert "s3cret" not in json.dumps(first["headers"])


def test_the_workers_own_celery_takes_it(site_broker: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTSIDE_REDIS_URL", site_broker.url)
    expected: list[str] = []
    taken: list[dict[str, Any]] = []
    came = threading.Event()

    class Executor:
        def expect(self, *, job_id: str, **_: Any) -> None:
            expected.append(job_id)

        def execute(self, **arguments: Any) -> None:
            taken.append(arguments)
            came.set()

    app = make_app(WorkerSettings.from_environment(), HOST, Executor())  # type: ignore[arg-type]
    site_broker.client().lpush(keys.queue(HOST), ours())
    with ThreadPoolExecutor(1) as pool, app.connection() as connection, connection.channel() as channel:
        threads = SimpleNamespace(executor=pool, num_processes=1)
        worker = SimpleNamespace(pool=threads, hub=None, connection_errors=())
        handlers = {
            name: task.Strategy(task, app, worker) for name, task in app.tasks.items() if name == keys.TASK_NAME
        }
        consumer = app.amqp.TaskConsumer(
            channel, on_message=lambda message: handlers[message.headers["task"]](message, None, None, None, None)
        )
        with consumer:
            while not came.is_set():
                connection.drain_events(timeout=PATIENCE_SECONDS)
    assert taken == [ARGUMENTS]
    assert expected == [ARGUMENTS["job_id"]]
