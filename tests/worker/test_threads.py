"""Threads that wait for the next task: one after the other takes the same one, many at a time have one each."""

from __future__ import annotations

import threading
import time

import pytest

from tests.support.processes import eventually
from worker import threads
from worker.threads import Threads


def idents(pool: Threads, count: int) -> set[int]:
    """Of the threads that do so many tasks at the same time."""
    found: list[int] = []
    together = threading.Barrier(count)

    def task() -> None:
        together.wait(60)
        found.append(threading.get_ident())

    for _ in range(count):
        pool.run(task)
    eventually(lambda: len(found) == count, what="all tasks")
    return set(found)


def rested(pool: Threads, count: int) -> None:
    eventually(lambda: len(pool._idle) == count, what=f"{count} threads that wait")


def test_one_after_the_other_takes_the_same_thread() -> None:
    pool = Threads("some")
    first = idents(pool, 1)
    for _ in range(5):
        rested(pool, 1)
        assert idents(pool, 1) == first


def test_many_at_a_time_have_one_each_and_few_stay() -> None:
    pool = Threads("some")
    many = threads.IDLE_MAXIMUM * 2
    assert len(idents(pool, many)) == many
    rested(pool, threads.IDLE_MAXIMUM)


def test_a_task_that_fails_takes_no_other_with_it() -> None:
    pool = Threads("some")

    def fail() -> None:
        raise ValueError

    pool.run(fail)
    rested(pool, 1)
    assert len(idents(pool, 2)) == 2


def test_who_waits_in_vain_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "LINGER_SECONDS", 0.1)
    pool = Threads("waiting in vain")
    for _ in range(20):  # also at the very moment at which one goes
        idents(pool, 2)
        time.sleep(0.1)
    rested(pool, 0)
    eventually(lambda: "waiting in vain" not in {one.name for one in threading.enumerate()}, what="the threads' end")
