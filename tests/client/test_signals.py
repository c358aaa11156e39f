"""Signals to `portside run` are the container's."""

from __future__ import annotations

import os
import signal
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from client.cli.commands import running
from client.cli.terminal import forwarded
from client.errors import ConnectionFailed, NotFound, Unavailable
from tests.support.processes import eventually


def shell(answers: list[Exception | None], asked: list[str]) -> Any:
    def kill(container_id: str, *, signal: str) -> None:
        asked.append(f"{container_id} {signal}")
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    return SimpleNamespace(site=SimpleNamespace(containers=SimpleNamespace(kill=kill)))


@pytest.mark.parametrize(
    ("answers", "times"),
    [
        ([None], 1),
        ([ConnectionFailed("the connection was closed"), Unavailable("the broker is away"), None], 3),
        ([NotFound("it has gone")], 1),
        ([Unavailable("away")] * running.TRIES, running.TRIES),
    ],
)
def test_a_signal_is_handed_on_until_the_site_takes_it(
    monkeypatch: pytest.MonkeyPatch, answers: list[Exception | None], times: int
) -> None:
    monkeypatch.setattr(running.time, "sleep", lambda _: None)
    asked: list[str] = []
    running._killer(shell(answers, asked), "c1")("SIGINT")
    assert asked == ["c1 SIGINT"] * times


def test_a_signal_is_heard_of_although_the_main_thread_waits() -> None:
    """As one is that comes between the main thread's last instruction and its wait: here no instruction follows."""
    came: list[str] = []
    with forwarded(came.append, wanted=True):
        lock = threading.Lock()
        lock.acquire()

        def let_go() -> None:
            eventually(lambda: came == ["SIGUSR1"], seconds=20, what="the signal")
            lock.release()

        waiter = threading.Thread(target=let_go)
        waiter.start()
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])  # in this thread alone, so another one gets it
        os.kill(os.getpid(), signal.SIGUSR1)
        assert lock.acquire(timeout=30), "the handler waits for the main thread"
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGUSR1])
        waiter.join()
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL
