"""Messages become jobs in the queue's order; what Celery counts is right whatever a job does."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from celery.worker import state

from tests.support.processes import eventually
from worker.deliveries import straight

SECRET = "hunter2-of-a-registry"


class Task:
    """Notes what runs; a job called bad fails, one called slow waits for `go`."""

    name = "portside.execute"

    def __init__(self) -> None:
        self.log: list[str] = []
        self.go = threading.Event()
        self._pool = ThreadPoolExecutor(2)
        consumer = SimpleNamespace(pool=SimpleNamespace(executor=self._pool), connection_errors=())
        self._handle = straight(lambda **delivery: self.log.append(f"expect {delivery['job_id']}"))(
            self, None, consumer
        )

    def run(self, *, job_id: str, command: Any, fence: int = 0, secrets: Any = None, **_newer: Any) -> None:
        if job_id == "slow":
            assert self.go.wait(20)
        self.log.append(f"run {job_id}")
        if job_id == "bad":
            raise ValueError("it can't be done")

    def deliver(self, payload: Any) -> list[str]:
        """Give one message; what was done to it."""
        done: list[str] = []
        message = SimpleNamespace(
            payload=payload, headers={"id": "t"}, ack_log_error=lambda *_: done.append("acknowledged")
        )
        self._handle(message, None, None, None, None)
        return done

    def end(self) -> None:
        self._pool.shutdown()


@pytest.fixture
def task() -> Iterator[Task]:
    made = Task()
    yield made
    made.end()


def job(job_id: str, **more: Any) -> list[Any]:
    return [[], {"job_id": job_id, "command": {"kind": "image.pull"}, **more}, {"chain": None}]


def test_a_job_has_its_place_before_a_thread_has_it(task: Task) -> None:
    assert task.deliver(job("a", newer=1)) == ["acknowledged"]
    eventually(lambda: task.log == ["expect a", "run a"], what="the job")


def test_what_is_at_work_is_counted_until_it_ends(task: Task) -> None:
    task.deliver(job("slow"))
    assert (len(state.reserved_requests), len(state.active_requests)) == (1, 1)
    task.go.set()
    eventually(lambda: not state.reserved_requests and not state.active_requests, what="its end")


def test_a_task_that_fails_gives_back_its_place(task: Task, caplog: pytest.LogCaptureFixture) -> None:
    task.deliver(job("bad", secrets={"password": SECRET}))
    eventually(lambda: not state.reserved_requests and not state.requests, what="its end")
    assert "task t failed" in caplog.text and SECRET not in caplog.text


@pytest.mark.parametrize(
    "payload",
    [
        None,
        [],
        {"password": SECRET},
        [[SECRET], {}, {}],
        [[], {"job_id": "j", "secrets": {"password": SECRET}}, {}],
        [[], {"job_id": 7, "command": {}}, {}],
        [[], {"job_id": "j", "command": "rm"}, {}],
    ],
)
def test_what_is_no_job_is_passed_over_and_not_shown(
    task: Task, payload: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert task.deliver(payload) == ["acknowledged"]
    assert task.log == [] and not state.reserved_requests
    assert "it is no job" in caplog.text and SECRET not in caplog.text
