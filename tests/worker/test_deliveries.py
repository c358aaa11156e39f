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
from kombu.exceptions import ContentDisallowed, DecodeError

from tests.support.processes import eventually
from worker.deliveries import straight

SECRET = "hunter2-of-a-registry"


class Message:
    def __init__(self, payload: Any, headers: Any) -> None:
        self._payload, self.headers = payload, headers
        self.done: list[str] = []

    @property
    def payload(self) -> Any:
        if isinstance(self._payload, Exception):
            raise self._payload
        return self._payload

    def ack_log_error(self, *_: Any) -> None:
        self.done.append("acknowledged")


class Task:
    """Notes what runs; a job called bad fails, one called slow waits for `go`."""

    name = "portside.execute"

    def __init__(self) -> None:
        self.log: list[str] = []
        self.go = threading.Event()
        self._pool = ThreadPoolExecutor(2)
        self.looks: list[Any] = []
        consumer = SimpleNamespace(
            pool=SimpleNamespace(executor=self._pool, num_processes=2),
            hub=SimpleNamespace(call_soon=self.looks.append),
            connection_errors=(),
        )
        strategy = straight(self._expect, lambda: self.log.append("connected"))
        self._handle = strategy(self, None, consumer)

    def _expect(self, *, job_id: str, command: Any, fence: int) -> None:
        self.log.append(f"expect {job_id} {fence}")

    def run(self, *, job_id: str, command: Any, fence: int = 0, secrets: Any = None, **_newer: Any) -> None:
        if job_id == "slow":
            assert self.go.wait(20)
        self.log.append(f"run {job_id}")
        if job_id == "bad":
            raise ValueError("it can't be done")

    def deliver(self, payload: Any, headers: Any = None) -> list[str]:
        """Give one message; what was done to it."""
        message = Message(payload, {"id": "t"} if headers is None else headers)
        self._handle(message, None, None, None, None)
        return message.done

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
    for _ in range(2):
        task.deliver(job("slow"))
    assert task.deliver(job("a", newer=1, fence=3)) == ["acknowledged"]  # no thread is left for it
    assert task.log == ["connected", "expect slow 0", "expect slow 0", "expect a 3"]
    task.go.set()
    eventually(lambda: "run a" in task.log, what="the job")


def test_who_has_fetched_no_more_since_the_pool_was_full_is_told_when_it_is_not(task: Task) -> None:
    task.deliver(job("a"))
    eventually(lambda: not state.reserved_requests, what="its end")
    assert task.looks == []
    for _ in range(2):
        task.deliver(job("slow"))
    task.go.set()
    eventually(lambda: not state.reserved_requests and task.looks, what="their ends")


@pytest.mark.parametrize("headers", [{}, {"id": None}, {"id": ["t"]}])
def test_a_task_of_no_name_is_a_job_all_the_same(task: Task, headers: Any) -> None:
    task.deliver(job("a"), headers)
    eventually(lambda: "run a" in task.log and not state.reserved_requests, what="the job")


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
        DecodeError(SECRET),
        ContentDisallowed(SECRET),
    ],
)
def test_what_is_no_job_is_passed_over_and_not_shown(
    task: Task, payload: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert task.deliver(payload) == ["acknowledged"]
    assert task.log == ["connected"] and not state.reserved_requests
    assert "it is no job" in caplog.text and SECRET not in caplog.text
