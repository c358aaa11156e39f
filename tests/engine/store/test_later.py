"""A call a moment later: once for all who asked, and again for who asks afterwards."""

from __future__ import annotations

import threading
import time

from engine.store.later import Later
from tests.support.processes import eventually


def test_many_ask_and_one_call_is_made() -> None:
    calls: list[float] = []
    later = Later(0.2, lambda: calls.append(time.monotonic()))
    began = time.monotonic()
    for _ in range(20):
        later.ask()
        time.sleep(0.005)
    eventually(lambda: len(calls) == 1, what="the call")
    assert 0.2 <= calls[0] - began < 20  # after the first that asked, not the last
    time.sleep(0.3)
    assert len(calls) == 1
    later.ask()
    eventually(lambda: len(calls) == 2, what="the next call")


def test_what_is_forgotten_is_not_done_until_it_is_asked_for_again() -> None:
    called = threading.Event()
    later = Later(0.2, called.set)
    later.ask()
    later.forget()
    later.forget()
    assert not called.wait(0.5)
    later.ask()
    assert called.wait(60)


def test_a_call_that_fails_is_not_the_last() -> None:
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise ValueError

    later = Later(0.01, fail)
    for number in (1, 2):
        later.ask()
        eventually(lambda n=number: len(calls) == n, what="the call")


def test_whoever_asks_while_a_call_is_made_has_another() -> None:
    begun, go, calls = threading.Event(), threading.Event(), []

    def work() -> None:
        calls.append(1)
        begun.set()
        assert go.wait(20)

    later = Later(0.01, work)
    later.ask()
    assert begun.wait(20)
    later.ask()
    go.set()
    eventually(lambda: len(calls) == 2, what="the second call")
