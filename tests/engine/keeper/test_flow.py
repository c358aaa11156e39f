"""Loud pipes are left alone for moments at a time and hold more; all others are answered at once."""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator

import pytest

from engine.containers import pipes
from engine.keeper import flow
from engine.keeper.flow import CALM_SECONDS, LOUD_AFTER, LOUD_BYTES, PAUSE_SECONDS, PIPE_BYTES, USUAL_BYTES, Flow
from tests.support.engine import Host
from tests.support.processes import eventually


class Pipe:
    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.source, self.sink = os.pipe()
        self.now = 100.0
        patch.setattr(flow.time, "monotonic", lambda: self.now)
        self.flow = Flow(self.source)

    def wakes(self, number: int, count: int, after_seconds: float) -> list[float]:
        rests = []
        for _ in range(number):
            self.now += after_seconds
            rests.append(self.flow.moved(count))
        return rests

    @property
    def size(self) -> int:
        return fcntl.fcntl(self.source, fcntl.F_GETPIPE_SZ)


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipe]:
    made = Pipe(monkeypatch)
    yield made
    os.close(made.source)
    os.close(made.sink)


def test_who_prints_now_and_then_is_answered_at_once(pipe: Pipe) -> None:
    assert set(pipe.wakes(1000, 100, 0.005)) == {0.0}
    assert set(pipe.wakes(LOUD_AFTER - 1, 4096, 0.0001)) == {0.0}, "a traceback is not yet loud"
    assert pipe.size < PIPE_BYTES


def test_who_prints_without_pause_is_left_alone_and_gets_a_larger_pipe(pipe: Pipe) -> None:
    assert pipe.wakes(LOUD_AFTER + 1, 4096, 0.0001)[-1] == PAUSE_SECONDS
    assert pipe.size == PIPE_BYTES
    assert set(pipe.wakes(100, LOUD_BYTES, 0.0015)) == {PAUSE_SECONDS}, "it stays so while much comes"


def test_who_calms_down_is_answered_at_once_again(pipe: Pipe) -> None:
    pipe.wakes(LOUD_AFTER + 1, 4096, 0.0001)
    assert set(pipe.wakes(10, 100, 0.0015)) == {0.0}


def test_a_pipe_that_may_not_grow_is_left_as_it_is(pipe: Pipe, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(1, "beyond pipe-user-pages-soft")

    monkeypatch.setattr(flow.fcntl, "fcntl", refuse)
    assert pipe.wakes(LOUD_AFTER + 1, 4096, 0.0001)[-1] == PAUSE_SECONDS


def test_room_is_given_back_once_nothing_comes(pipe: Pipe) -> None:
    pipe.wakes(LOUD_AFTER + 1, LOUD_BYTES, 0.0001)
    pipe.flow.give_back()
    assert pipe.size == PIPE_BYTES, "it is still loud"
    pipe.now += CALM_SECONDS
    os.write(pipe.sink, bytes(PIPE_BYTES // 2))
    pipe.flow.give_back()
    assert pipe.size == PIPE_BYTES, "not while the room is used"
    os.read(pipe.source, PIPE_BYTES)
    pipe.flow.give_back()
    assert pipe.size == USUAL_BYTES
    pipe.wakes(LOUD_AFTER + 2, LOUD_BYTES, 0.0001)
    assert pipe.size == PIPE_BYTES, "who is loud again gets it again"


def test_a_real_one_is_large_while_it_is_loud_and_small_afterwards(host: Host) -> None:
    """Also where the keeper was killed in between."""
    record = host.run("sh", "-c", "yes | head -c 300000000; exec sleep 600")
    pipe = os.open(host.home.config.containers / record.id / pipes.STREAMS[0], os.O_RDONLY | os.O_NONBLOCK)
    try:
        eventually(lambda: fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) == PIPE_BYTES, what="a large pipe")
        for pid in host.helper_pids("engine.keeper"):
            os.kill(pid, signal.SIGKILL)

        def is_small() -> bool:
            host.engine.ensure_helpers()  # the one that was killed may have been there still
            return fcntl.fcntl(pipe, fcntl.F_GETPIPE_SZ) == USUAL_BYTES

        eventually(is_small, what="a small one")
        eventually(lambda: host.engine.container_logs(record.id).end() == 300_000_000, what="all that was printed")
    finally:
        os.close(pipe)
