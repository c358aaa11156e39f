"""`GET /containers/{id}/stats`: what a container uses, as its host tells it every two seconds.

Docker tells counters, and its clients reckon shares from two of them. That of a container's processor time is the
kernel's own; a host whose worker is older tells shares alone, and a counter is made that comes to the same. That of the
system is all processors' time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from webui.containers.models import Container
from webui.dockerapi import answers, names, times
from webui.dockerapi.answers import Answer, Json, Stream
from webui.dockerapi.call import Call
from webui.dockerapi.containers.states import ALIVE, state_of
from webui.dockerapi.routing import endpoint
from webui.live.broadcaster import Entry, decoded, listening
from webui.live.loop import in_thread
from webui.live.pool import broker
from worker.contract import keys

NANOSECONDS = 1_000_000_000
FIRST = 2
"""Entries of the past that the first answer is made of."""
WAIT_SECONDS = 5.0
"""For the first figures of a container: twice the time in which a host tells them, and some."""


@endpoint("GET", "/containers/{name:path}/stats")
async def container_stats(call: Call) -> Answer:
    container: Container = await in_thread(names.container, call, call["name"])
    call.again = lambda: names.container(call, container.pk)
    figures = Figures(container)
    key = keys.stats(str(container.host_id))
    if not call.flag("stream", True):
        found = await _one(figures, key) if state_of(container) in ALIVE else None
        return Json(found or figures.nothing())

    async def parts() -> AsyncIterator[bytes]:
        if state_of(container) not in ALIVE:
            yield answers.encoded(figures.nothing())
        async with listening(key) as subscription:
            raw = await broker().xrevrange(key, max=subscription.start, count=FIRST)
            first = [found for entry in decoded(raw[::-1]) if (found := figures.take(entry)) is not None]
            for one in first[-1:]:
                yield answers.encoded(one)
            while True:
                for entry in await subscription.take() or []:
                    if (one := figures.take(entry)) is not None:
                        yield answers.encoded(one)

    return Stream(parts(), answers.JSON, begins_at_once=True)


async def _one(figures: Figures, key: str) -> dict[str, Any] | None:
    """The newest; of a container that has just begun the first, for which one has to wait."""
    found: dict[str, Any] | None = None
    async with listening(key) as subscription:
        raw = await broker().xrevrange(key, max=subscription.start, count=FIRST)
        for entry in decoded(raw[::-1]):
            found = figures.take(entry) or found
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(WAIT_SECONDS):
                while found is None:
                    for entry in await subscription.take() or []:
                        found = figures.take(entry) or found
    return found


class Figures:
    """Makes Docker's answers of a host's entries, one after the other."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._at = 0.0
        self._used = 0
        self._last: dict[str, Any] = {}

    def take(self, entry: Entry) -> dict[str, Any] | None:
        """Of one entry; None when the container did not run then."""
        figures = (entry.content.get("containers") or {}).get(self._container.pk)
        if not isinstance(figures, Mapping):
            return None
        at = float(entry.content.get("at") or 0)
        cores = max(1, self._container.host.cores)
        passed = at - self._at if self._at else 0.0
        before, before_at = self._last, self._at
        if "cpu_seconds" in figures:
            self._used = round(float(figures["cpu_seconds"]) * NANOSECONDS)
        else:
            self._used += round(float(figures.get("cpu_percent") or 0) / 100 * passed * NANOSECONDS)
        self._at = at
        self._last = {
            "cpu_usage": {
                "total_usage": self._used,
                "usage_in_kernelmode": 0,
                "usage_in_usermode": self._used,
            },
            "system_cpu_usage": round(at * NANOSECONDS) * cores,
            "online_cpus": cores,
            "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
        }
        limit = figures.get("memory_limit_bytes") or self._container.host.memory_bytes
        return {
            **self._frame(),
            "read": times.rfc3339(times.moment(at)),
            "preread": times.rfc3339(times.moment(before_at)) if before_at else times.NEVER,
            "pids_stats": {"current": figures.get("pids", 0), "limit": self._container.spec.get("pids_limit") or 0},
            "blkio_stats": _blocks(figures),
            "cpu_stats": self._last,
            "precpu_stats": before or _NO_CPU,
            "memory_stats": {"usage": figures.get("memory_bytes", 0), "stats": {"inactive_file": 0}, "limit": limit},
            "networks": _networks(figures),
        }

    def nothing(self) -> dict[str, Any]:
        """Of one that does not run."""
        return {
            **self._frame(),
            "read": times.NEVER,
            "preread": times.NEVER,
            "pids_stats": {},
            "blkio_stats": dict.fromkeys(_BLOCKS),
            "cpu_stats": _NO_CPU,
            "precpu_stats": _NO_CPU,
            "memory_stats": {},
        }

    def _frame(self) -> dict[str, Any]:
        return {
            "name": f"/{self._container.name}",
            "id": self._container.pk,
            "os_type": "linux",
            "num_procs": 0,
            "storage_stats": {},
        }


_NO_CPU: dict[str, Any] = {
    "cpu_usage": {"total_usage": 0, "usage_in_kernelmode": 0, "usage_in_usermode": 0},
    "throttling_data": {"periods": 0, "throttled_periods": 0, "throttled_time": 0},
}
_BLOCKS = (
    "io_service_bytes_recursive", "io_serviced_recursive", "io_queue_recursive", "io_service_time_recursive",
    "io_wait_time_recursive", "io_merged_recursive", "io_time_recursive", "sectors_recursive",
)  # fmt: skip


def _blocks(figures: Mapping[str, Any]) -> dict[str, Any]:
    told = [
        {"major": 0, "minor": 0, "op": op, "value": figures.get(name, 0)}
        for op, name in (("read", "block_read_bytes"), ("write", "block_write_bytes"))
    ]
    return {**dict.fromkeys(_BLOCKS), _BLOCKS[0]: told}


def _networks(figures: Mapping[str, Any]) -> dict[str, Any]:
    each = figures.get("interfaces") or {
        "eth0": (figures.get("network_rx_bytes", 0), figures.get("network_tx_bytes", 0))
    }
    return {
        name: {
            "rx_bytes": received, "rx_packets": 0, "rx_errors": 0, "rx_dropped": 0,
            "tx_bytes": sent, "tx_packets": 0, "tx_errors": 0, "tx_dropped": 0,
        }
        for name, (received, sent) in each.items()
    }  # fmt: skip
