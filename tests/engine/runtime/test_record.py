"""What run.json and exit.<run> say after a power cut and after a new boot."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from engine.runtime import record


@pytest.mark.parametrize("content", ["", '{"run": 1, "pi', "\0" * 100])
def test_half_a_run_file_names_no_process(tmp_path: Path, content: str) -> None:
    (tmp_path / record.RUN_FILE).write_text(content)
    assert record.read_run(str(tmp_path)) is None


@pytest.mark.parametrize("content", ["", "137", "\0" * 30, "x y"])
def test_half_an_exit_file_tells_no_end(tmp_path: Path, content: str) -> None:
    (tmp_path / "exit.1").write_text(content)
    assert record.read_exit(str(tmp_path), 1) is None


def test_a_process_of_an_earlier_boot_is_not_taken_for_one_of_this(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        record.write_run(directory, 1, os.getpid())
    finally:
        os.close(directory)
    found = record.read_run(str(tmp_path))
    assert found is not None and record.start_ticks(os.getpid()) == found["start_ticks"]
    (tmp_path / record.RUN_FILE).write_text(json.dumps({**found, "boot_id": "another"}))
    found = record.read_run(str(tmp_path))
    assert found is not None and record.open_pidfd(found) is None


def test_an_execution_that_the_kernel_has_not_noted_yet_is_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process that was just born, and that is executed or ended while one looks."""
    looks = iter([False, False, True])
    monkeypatch.setattr(record, "has_executed", lambda pid: next(looks))
    assert record.becomes_program(os.getpid())
    assert next(looks, None) is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_who_ends_before_its_execution_is_no_program(number: int) -> None:
    pid = os.fork()
    if pid == 0:
        time.sleep(100)
        os._exit(0)
    threading.Timer(0.1, os.kill, (pid, number)).start()
    assert not record.becomes_program(pid)
    os.waitpid(pid, 0)


def test_an_exit_appears_when_nothing_else_is_left_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for it may remove the directory at once, and that must meet no file that goes away meanwhile."""
    seen: list[list[str]] = []
    rename = os.rename

    def look(*names: str, **directories: int) -> None:
        rename(*names, **directories)
        seen.append(sorted(os.listdir(tmp_path)))

    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        record.reserve_exit(directory, 1)
        monkeypatch.setattr(os, "rename", look)
        record.write_exit(directory, 1, 256)
    finally:
        os.close(directory)
    assert seen == [["exit.1"]]
    assert record.read_exit(str(tmp_path), 1) == (256, pytest.approx(time.time(), abs=60), False)
