"""The directory that an exec leaves for the next one: nothing of the one before is in it, and nobody's is taken."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.errors import Conflict
from engine.runtime import record
from tests.engine.runtime import execs
from tests.engine.runtime.box import Box

pytestmark = pytest.mark.root


def directory(box: Box, exec_id: str) -> Path:
    return box.directory / record.EXECS / exec_id


def spare(box: Box) -> Path:
    return box.directory / "exec.spare"


def over(box: Box, *args: str, **fields: object) -> str:
    """One that has ended and is not forgotten; its id."""
    made = execs.start(box, *args, **fields)
    assert box.runtime.exec_wait(box.directory, made.id, 60) is not None
    return made.id


def test_the_next_one_takes_it_and_has_an_end_of_its_own(idle: Box) -> None:
    first = over(idle, "/bin/sh", "-c", "exit 3", note={"of": "the first"})
    number = directory(idle, first).stat().st_ino
    idle.runtime.exec_remove(idle.directory, first)
    assert spare(idle).stat().st_ino == number and os.listdir(spare(idle)) == []
    os.utime(spare(idle), (1, 1))
    made = execs.start(idle, "/bin/sh", "-c", "sleep 0.2; exit 4")
    found = directory(idle, made.id)
    assert found.stat().st_ino == number and not spare(idle).exists()
    assert time.time() - found.stat().st_mtime < 60, "it would be swept for one that was never born"
    assert idle.runtime.exec_note(idle.directory, made.id) is None
    assert idle.runtime.exec_status(idle.directory, made.id) is None, "it has the end of the one before"
    assert execs.ended(idle, made).code == 4


def test_an_id_that_is_there_is_refused_with_a_spare_directory_too(idle: Box) -> None:
    running = execs.start(idle, "/bin/sleep", "100", id="a" * 64)
    idle.runtime.exec_remove(idle.directory, over(idle, "/bin/sh", "-c", "exit 0"))
    assert spare(idle).exists()
    with pytest.raises(Conflict, match="is there already"):
        execs.start(idle, "/bin/sleep", "100", id="a" * 64)
    assert idle.runtime.execs(idle.directory) == [running.id] and spare(idle).exists()
    execs.end(idle, running)


def test_what_holds_more_than_an_exec_leaves_is_removed(idle: Box) -> None:
    made = over(idle, "/bin/sh", "-c", "exit 0")
    if spare(idle).exists():
        spare(idle).rmdir()
    (directory(idle, made) / "exit.1.new").touch()  # somebody may be about to write
    idle.runtime.exec_remove(idle.directory, made)
    assert not directory(idle, made).exists() and not spare(idle).exists()


def test_many_at_once_have_one_each(idle: Box) -> None:
    def one(number: int) -> bool:
        return execs.result(idle, "/bin/sh", "-c", f"echo {number}; exit {number % 7}")[:2] == (
            number % 7,
            f"{number}\n",
        )

    with ThreadPoolExecutor(6) as threads:
        assert all(threads.map(one, range(60)))
    assert idle.runtime.execs(idle.directory) == []
