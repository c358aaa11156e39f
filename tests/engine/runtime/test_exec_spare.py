"""The directory that an exec leaves for the next one: nothing of the one before is in it, and nobody's is taken."""

from __future__ import annotations

import os
import shutil
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
    assert spare(idle).stat().st_ino == number and sorted(os.listdir(spare(idle))) == ["exit.spare", "run.spare"]
    os.utime(spare(idle), (1, 1))
    made = execs.start(idle, "/bin/sh", "-c", "sleep 0.2; exit 4")
    found = directory(idle, made.id)
    assert found.stat().st_ino == number and not spare(idle).exists()
    assert time.time() - found.stat().st_mtime < 60, "it would be swept for one that was never born"
    assert idle.runtime.exec_note(idle.directory, made.id) is None
    assert idle.runtime.exec_status(idle.directory, made.id) is None, "it has the end of the one before"
    assert execs.ended(idle, made).code == 4


@pytest.mark.parametrize("seconds", ["0", "0.2"], ids=["over at once", "over later"])
def test_its_files_are_written_over(idle: Box, seconds: str) -> None:
    idle.runtime.exec_remove(idle.directory, over(idle, "/bin/sh", "-c", "exit 3"))
    before = {name: (spare(idle) / name).stat().st_ino for name in ("run.spare", "exit.spare")}
    found = directory(idle, over(idle, "/bin/sh", "-c", f"sleep {seconds}; exit 4"))
    assert (found / "run.json").stat().st_ino == before["run.spare"]
    status = idle.runtime.exec_status(idle.directory, found.name)
    assert status is not None and status.code == 4
    idle.runtime.exec_remove(idle.directory, found.name)
    assert sorted(os.listdir(spare(idle))) == ["exit.spare", "run.spare"]


def test_a_longer_word_of_before_leaves_nothing_behind_a_shorter_one(tmp_path: Path) -> None:
    (tmp_path / record.SPARE_EXIT).write_text("256 1764260000.123456 lost\n" * 10)
    (tmp_path / record.SPARE_RUN).write_text("{" * 400)
    opened = os.open(tmp_path, os.O_RDONLY)
    record.write_run(opened, 3, os.getpid(), has_spare=True)
    record.write_exit(opened, 3, 0, has_spare=True)
    os.close(opened)
    found = record.read_run(str(tmp_path))
    assert found is not None and (found["run"], found["pid"]) == (3, os.getpid())
    code = record.read_exit(str(tmp_path), 3)
    assert code is not None and (code[0], code[2]) == (0, False)
    assert sorted(os.listdir(tmp_path)) == ["exit.3", "run.json"]


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
        shutil.rmtree(spare(idle))
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
