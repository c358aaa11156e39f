"""The host's limits, handed to the engine and seen to."""

from __future__ import annotations

import logging

import pytest

from engine.errors import Conflict, EngineError
from worker.contract.frames import HostSettings
from worker.host_limits import HostLimiter


class Refusing:
    """An engine whose kernel refuses as long as there is an error."""

    def __init__(self) -> None:
        self.error: EngineError | None = None
        self.asked: list[tuple[int | None, float | None, int | None]] = []
        self.host_quota = self

    def limit_host(self, memory_bytes: int | None, cpus: float | None, pids: int | None) -> None:
        self.asked.append((memory_bytes, cpus, pids))
        self.tend()

    def tend(self) -> None:
        if self.error is not None:
            raise self.error


def test_a_refusal_is_told_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "worker.host_limits")
    engine = Refusing()
    limiter = HostLimiter(engine)
    engine.error = Conflict("111 bytes are used", {"field": "memory_bytes"})
    limiter.take(HostSettings(keep_logs_seconds=1, keep_logs_bytes=2, memory_bytes=100, cpus=1.5, pids=7))
    assert engine.asked == [(100, 1.5, 7)]
    engine.error = Conflict("110 bytes are used", {"field": "memory_bytes"})
    limiter.tend()
    engine.error = None
    for _ in range(2):
        limiter.tend()
    told = [record.message for record in caplog.records]
    assert told == ["the host's limits: 111 bytes are used", "the host's limits hold now"]
