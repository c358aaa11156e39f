"""What the launcher opens of a container that somebody removes just then."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.runtime import foster, monitor


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("count", range(len(monitor.PIPES)))
def test_pipes_that_are_removed_while_they_are_opened_leave_no_descriptor(tmp_path: Path, count: int) -> None:
    for name in monitor.PIPES[:count]:
        os.mkfifo(tmp_path / name)
    before = descriptors()
    with pytest.raises(FileNotFoundError):
        foster.open_pipes(str(tmp_path))
    assert descriptors() == before


def test_nothing_stays_open_of_a_container_that_is_removed_while_it_is_found(tmp_path: Path) -> None:
    directory = tmp_path / "c"
    directory.mkdir()
    monitor_pid, ticks = os.getpid(), foster.record.start_ticks(os.getpid())
    assert ticks is not None
    opened = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    foster.record.write_run(opened, 1, monitor_pid, {})
    os.close(opened)
    os.mkfifo(directory / monitor.PIPES[0])
    before = descriptors()
    assert foster.find(str(tmp_path)) == []
    assert descriptors() == before
    os.mkfifo(directory / monitor.PIPES[1])
    (found,) = foster.find(str(tmp_path))
    for descriptor in (found.pidfd, *found.pipes):
        os.close(descriptor)
