"""Who serves execs: one process for many, more in a burst, and few again afterwards."""

from __future__ import annotations

import contextlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.runtime import exec_workers, record
from engine.runtime.exec_workers import Workers
from tests.engine.runtime import execs
from tests.engine.runtime.box import Box, until

pytestmark = pytest.mark.root


def children(box: Box) -> set[int]:
    launcher = box.runtime.ensure_launcher()
    return {int(pid) for pid in Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()}


def server(box: Box) -> int:
    """The process that served an exec which has ended."""
    made = execs.start(box, "/bin/sh", "-c", "exit 0")
    found = record.read_run(str(box.directory / record.EXECS / made.id))
    assert found is not None
    execs.ended(box, made)
    return int(found["monitor_pid"])


def test_one_process_serves_many_that_are_over_at_once(idle: Box) -> None:
    # One that took its time, as on a busy machine, has a monitor of its own.
    until(lambda: len({server(idle) for _ in range(4)}) < 4)


def test_it_does_not_keep_a_container_that_is_gone(idle: Box, box: Box) -> None:
    box.run("/bin/sleep", "1000", collect=False)
    serving = server(box)
    box.remove()
    if Path(f"/proc/{serving}").exists():
        own = Path("/proc/self/ns/pid_for_children").readlink()
        until(lambda: _namespace(serving) in (own, None))
        for name in ("0", "1", "2", "3"):
            with contextlib.suppress(FileNotFoundError):  # it may end meanwhile
                assert str(box.directory) not in os.readlink(f"/proc/{serving}/fd/{name}")


def _namespace(pid: int) -> Path | None:
    try:
        return Path(f"/proc/{pid}/ns/pid_for_children").readlink()
    except OSError:
        return None


def test_a_burst_leaves_a_few_and_quiet_leaves_one(idle: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    with ThreadPoolExecutor(12) as threads:
        list(threads.map(lambda _: server(idle), range(36)))
    others = idle.runtime.pool_size + 2  # the container's monitor, and what is just ending
    until(lambda: len(children(idle)) <= exec_workers.KEPT + others)
    workers = Workers()
    for channel in (7, 8, 9):
        workers._all[channel] = (1, _Channel())  # type: ignore[assignment]
        workers._idle.append(channel)
    workers._wanted_at = exec_workers.time.monotonic()
    assert workers.rest() == []
    monkeypatch.setattr(exec_workers, "QUIET_SECONDS", -1)
    assert (workers.rest(), list(workers._all), workers.rest()) == ([8, 9], [7], [])


class _Channel:
    def close(self) -> None:
        """Like a socket's."""
