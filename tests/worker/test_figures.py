"""Figures of containers: processor time as a share of what has passed since the last look."""

from __future__ import annotations

import itertools
import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
import redis

from engine.stats.samples import ContainerSample, HostSample
from tests.support.valkey import Valkey
from worker import presence
from worker.contract import keys
from worker.presence import Figures

HOST = HostSample(0.0, 1, 2, 0.0, 1, 2)


class Engine:
    """Tells of a container "c" whose processor time is next in the list."""

    def __init__(self, *seconds: float) -> None:
        self._seconds = iter(seconds)

    def sample(self) -> tuple[HostSample, dict[str, ContainerSample]]:
        return HOST, {"c": ContainerSample(next(self._seconds), 1, None, 1, 0, 0, 0, 0)}


def percents(valkey: Valkey, monkeypatch: pytest.MonkeyPatch, *seconds: float) -> list[float]:
    """Of looks that are two seconds apart."""
    client = redis.Redis.from_url(valkey.url)
    figures = Figures(Engine(*seconds), client, "h")
    clock = itertools.count(100.0, 2.0)
    monkeypatch.setattr(presence, "time", SimpleNamespace(time=time.time, monotonic=lambda: next(clock)))
    for _ in seconds:
        figures.sample()
    entries: list[Any] = client.xrange(keys.stats("h"))
    return [json.loads(fields[b"m"])["containers"]["c"]["cpu_percent"] for _, fields in entries]


@pytest.mark.parametrize("seconds", [0.1157693, 0.1157697, 3600.1234564999])
def test_a_container_at_rest_uses_nothing_however_its_time_is_rounded(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    assert percents(valkey, monkeypatch, seconds, seconds, seconds) == [0.0, 0.0, 0.0]


def test_a_restart_begins_anew(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    assert percents(valkey, monkeypatch, 10.0, 11.0, 0.5) == [0.0, 50.0, 25.0]
