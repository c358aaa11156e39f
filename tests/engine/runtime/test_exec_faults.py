"""Killing any process of ours around an exec loses no exit code and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from engine.cgroups import Cgroups
from engine.config import EngineConfig
from engine.errors import Conflict, EngineError, NotFound
from engine.runtime import exec_lent, record
from engine.runtime.client import Runtime
from tests.engine.runtime import execs
from tests.engine.runtime.box import GATE, Box, until
from tests.engine.runtime.test_faults import kill

pytestmark = pytest.mark.root


@pytest.fixture(params=["c", "python"])
def own_box(
    request: pytest.FixtureRequest, tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Box]:
    """A sleeping container in a home of its own; with either monitor."""
    monkeypatch.setenv("PORTSIDE_MONITOR", request.param)
    config = EngineConfig(home=tmp_path / "home")
    config.home.mkdir()
    cgroups = Cgroups(config)
    box = Box(config, Runtime(config, cgroups, pool=0), cgroups, image)
    box.run("/bin/sleep", "1000", collect=False)
    yield box
    box.remove()
    box.runtime.stop_launcher()
    cgroups.remove_parent()


def gated(box: Box, code: int) -> str:
    made = execs.start(box, "/bin/sh", "-c", f"{GATE}; exit {code}")
    until(lambda: record.has_executed(made.pid))
    return made.id


def monitor_of(box: Box, exec_id: str) -> int:
    found = record.read_run(str(box.directory / record.EXECS / exec_id))
    assert found is not None
    return int(found["monitor_pid"])


def code_of(box: Box, exec_id: str) -> tuple[int, bool]:
    status = box.runtime.exec_wait(box.directory, exec_id, 60)
    assert status is not None
    return status.code, status.lost


def test_a_killed_launcher_loses_no_exit_code(own_box: Box) -> None:
    exec_id = gated(own_box, 5)
    kill(own_box.runtime.ensure_launcher())
    own_box.open_gate()
    assert code_of(own_box, exec_id) == (5, False)
    assert execs.result(own_box, "/bin/sh", "-c", "exit 6")[0] == 6


def test_a_killed_monitor_is_replaced_by_the_launcher(own_box: Box) -> None:
    exec_id = gated(own_box, 6)
    kill(monitor_of(own_box, exec_id))
    assert own_box.runtime.exec_status(own_box.directory, exec_id) is None
    own_box.open_gate()
    assert code_of(own_box, exec_id) == (6, False)


def test_a_new_launcher_looks_after_execs_of_the_old_one(own_box: Box) -> None:
    exec_id = gated(own_box, 7)
    kill(own_box.runtime.ensure_launcher())
    own_box.runtime.ensure_launcher()
    kill(monitor_of(own_box, exec_id))
    own_box.open_gate()
    assert code_of(own_box, exec_id) == (7, False)


def test_with_all_watchers_dead_the_end_counts_as_lost(own_box: Box) -> None:
    exec_id = gated(own_box, 7)
    kill(own_box.runtime.ensure_launcher())
    kill(monitor_of(own_box, exec_id))
    own_box.open_gate()
    assert code_of(own_box, exec_id) == (255, True)


CALLER = """
import sys
from pathlib import Path
from engine.cgroups import Cgroups
from engine.config import EngineConfig
from engine.runtime.client import Runtime
from engine.runtime.execs import ExecSpec
config = EngineConfig(home=Path(sys.argv[1]))
runtime = Runtime(config, Cgroups(config), pool=0)
runtime.ensure_launcher()
sys.stdout.write("ready\\n")
sys.stdout.flush()
while True:
    runtime.exec(Path(sys.argv[2]), ExecSpec(args=["/bin/sleep", "100"]))
"""


def test_a_killed_caller_leaves_only_execs_that_are_recorded(own_box: Box) -> None:
    for pause in (0.0, 0.02, 0.05):
        caller = subprocess.Popen(
            [sys.executable, "-c", CALLER, str(own_box.config.home), str(own_box.directory)], stdout=subprocess.PIPE
        )
        assert caller.stdout is not None
        assert caller.stdout.readline() == b"ready\n"
        time.sleep(pause)
        caller.kill()
        caller.wait()
        caller.stdout.close()
    until(lambda: _recorded(own_box) == len(own_box.cgroups.pids(own_box.id)) - 1, what=lambda: "every one recorded")
    until(lambda: _all_ended(own_box))
    until(lambda: len(own_box.cgroups.pids(own_box.id)) == 1)


def _all_ended(box: Box) -> bool:
    """End and forget what there is; an empty directory was made by the caller for what was never born."""
    for exec_id in box.runtime.execs(box.directory):
        directory = box.directory / record.EXECS / exec_id
        if (directory / record.RUN_FILE).exists():
            with contextlib.suppress(NotFound):
                box.runtime.exec_signal(box.directory, exec_id, signal.SIGKILL)
                assert code_of(box, exec_id) == (137, False)
            with contextlib.suppress(Conflict):  # just being given up: it has ended, and will not have been
                box.runtime.exec_remove(box.directory, exec_id)
        else:
            with contextlib.suppress(OSError):
                directory.rmdir()
    return box.runtime.execs(box.directory) == []


def _recorded(box: Box) -> int:
    names = box.runtime.execs(box.directory)
    return sum((box.directory / record.EXECS / name / record.RUN_FILE).exists() for name in names)


def test_launchers_and_monitors_that_are_killed_again_and_again_leave_nothing(own_box: Box) -> None:
    """Every exec either tells the right code or says that it could not; none hangs, and none is left."""
    told: list[int] = []

    def one(number: int) -> None:
        try:
            made = execs.start(own_box, "/bin/sh", "-c", f"exit {number}")
        except EngineError as error:
            assert "killed" in error.message or "launcher" in error.message, error.message
            return
        status = own_box.runtime.exec_wait(own_box.directory, made.id, 60)
        assert status is not None
        assert status.code == number or status.lost
        told.append(number)
        own_box.runtime.exec_remove(own_box.directory, made.id)

    with ThreadPoolExecutor(3) as threads:
        started = [threads.submit(one, number) for number in range(16)]
        for _ in range(12):
            launcher = own_box.runtime.ensure_launcher()
            children = ""
            with contextlib.suppress(OSError):  # one that was killed and has not ended yet
                children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text()
            for pid in children.split():
                if int(pid) != own_box.record()["monitor_pid"]:
                    _try_to_kill(int(pid))
            _try_to_kill(launcher)
            time.sleep(0.05)
        started += [threads.submit(one, number) for number in range(16, 20)]  # these are left in peace
        for done in started:
            done.result()
    assert told
    until(lambda: len(own_box.cgroups.pids(own_box.id)) == 1)


def _try_to_kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def test_an_exec_that_meets_a_frozen_container_is_given_up_and_never_runs(
    own_box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.runtime.launcher_link.ANSWER_SECONDS", 0.5)
    own_box.cgroups.freeze(own_box.id)
    with pytest.raises(EngineError, match="in time"):
        execs.start(own_box, "/bin/sh", "-c", "echo x > /gate/ran")
    assert own_box.runtime.execs(own_box.directory) == []
    own_box.cgroups.thaw(own_box.id)
    until(lambda: len(own_box.cgroups.pids(own_box.id)) == 1)
    assert not (own_box.directory / "gate" / "ran").exists()
    monkeypatch.undo()
    assert execs.result(own_box, "/bin/sh", "-c", "exit 3")[0] == 3


@pytest.mark.parametrize("who", ["borrower", "lender"])
def test_who_is_killed_while_memory_is_lent_takes_the_other_along(own_box: Box, who: str) -> None:
    """A frozen container holds the process at its birth, or on its way from the host to its program."""
    if not exec_lent.can_be(own_box.record()["pid"]):
        pytest.skip("this machine's execs are forked")
    own_box.cgroups.freeze(own_box.id)
    with ThreadPoolExecutor(1) as threads:
        started = threads.submit(execs.start, own_box, "/bin/sh", "-c", "echo x > /gate/ran")
        until(lambda: _lent(own_box) is not None)
        lent = _lent(own_box)
        assert lent is not None
        os.kill(lent[who == "borrower"], signal.SIGKILL)
        if who == "lender":  # the other dies once it is thawed
            until(lambda: record.start_ticks(lent[0]) is None)
        own_box.cgroups.thaw(own_box.id)
        try:
            execs.ended(own_box, started.result())
        except EngineError as error:
            assert "killed" in error.message
            assert not (own_box.directory / "gate" / "ran").exists()
        else:
            assert who == "borrower"  # it had not begun, and was begun anew
    for pid in lent:
        until(lambda pid=pid: record.start_ticks(pid) is None)  # type: ignore[misc]
    assert execs.result(own_box, "/bin/sh", "-c", "exit 3")[0] == 3


def _lent(box: Box) -> tuple[int, int] | None:
    """The process that bears an exec's and the one that it bears."""
    for elder in _children(box.runtime.ensure_launcher()):
        if elder != box.record()["monitor_pid"]:
            for born in _children(elder):
                return elder, born
    return None


def _children(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
