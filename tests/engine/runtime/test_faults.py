"""Killing any process of ours at any time loses neither container, output nor exit code, and leaves nothing behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.cgroups import Cgroups
from engine.config import EngineConfig
from engine.errors import EngineError
from engine.runtime import record, wire
from engine.runtime.client import Runtime
from tests.engine.runtime.box import GATE, Box, until
from tests.engine.runtime.conftest import MakeBox

pytestmark = pytest.mark.root


@pytest.fixture(params=["c", "python"])
def own_box(
    request: pytest.FixtureRequest, tmp_path: Path, image: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Box]:
    """A container in a home of its own, so that its launcher can be killed; with either monitor."""
    monkeypatch.setenv("PORTSIDE_MONITOR", request.param)
    config = EngineConfig(home=tmp_path / "home")
    config.home.mkdir()
    cgroups = Cgroups(config)
    box = Box(config, Runtime(config, cgroups), cgroups, image)
    yield box
    box.remove()
    box.runtime.stop_launcher()
    cgroups.remove_parent()


def kill(pid: int) -> None:
    """Kill and wait until it is no longer running (its parent may reap it late)."""
    os.kill(pid, signal.SIGKILL)
    until(lambda: record.start_ticks(pid) is None)


def has_open(pid: int, path: Path) -> bool:
    for name in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(FileNotFoundError):
            if os.readlink(f"/proc/{pid}/fd/{name}") == str(path):
                return True
    return False


def test_the_monitor_is_the_one_that_was_asked_for(own_box: Box, request: pytest.FixtureRequest) -> None:
    own_box.run("/bin/sh", "-c", f"{GATE}; exit 3")
    monitor = f"/proc/{own_box.record()['monitor_pid']}/exe"
    if "[c]" in request.node.name:  # a create is answered before the monitor is executed
        until(lambda: "monitor-" in os.readlink(monitor))
    else:
        time.sleep(0.1)
        assert "monitor-" not in os.readlink(monitor)
    own_box.open_gate()
    assert own_box.wait().code == 3


def test_the_end_of_a_process_that_is_over_at_once_is_told_and_its_output_is_held(own_box: Box) -> None:
    own_box.run("/bin/sh", "-c", "echo nobody has read this yet; exit 4", collect=False)
    assert own_box.wait().code == 4
    assert os.path.exists(f"/proc/{own_box.record()['monitor_pid']}")  # it stays for what nobody has read
    fd = os.open(own_box.directory / "stdout", os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(fd, 100) == b"nobody has read this yet\n"
    os.close(fd)


def test_a_killed_launcher_harms_no_container_and_loses_no_exit_code(own_box: Box) -> None:
    own_box.run("/bin/sh", "-c", f"{GATE}; echo still here; exit 5")
    kill(own_box.runtime.ensure_launcher())
    assert own_box.runtime.is_alive(own_box.directory)
    own_box.open_gate()
    assert own_box.wait().code == 5
    assert own_box.output()[0] == "still here\n"
    assert own_box.sh("echo again") == "again\n"


def test_a_killed_monitor_is_replaced_by_the_launcher(own_box: Box) -> None:
    own_box.run("/bin/sh", "-c", f"{GATE}; echo still here; exit 6", collect=False)
    kill(own_box.record()["monitor_pid"])
    assert own_box.runtime.is_alive(own_box.directory)
    until(lambda: has_open(own_box.runtime.ensure_launcher(), own_box.directory / "stdout"))
    own_box.open_gate()
    status = own_box.wait()
    assert (status.code, status.lost) == (6, False)
    fd = os.open(own_box.directory / "stdout", os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(fd, 100) == b"still here\n"
    os.close(fd)


def test_monitor_and_container_killed_together_are_still_told_right(own_box: Box) -> None:
    pid = own_box.run("/bin/sleep", "100", collect=False)
    os.kill(own_box.record()["monitor_pid"], signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    status = own_box.wait()
    assert (status.code, status.lost) == (137, False)


def test_with_all_watchers_dead_the_end_counts_as_lost_and_nobody_waits_forever(own_box: Box) -> None:
    pid = own_box.run("/bin/sleep", "100", collect=False)
    kill(own_box.runtime.ensure_launcher())
    kill(own_box.record()["monitor_pid"])
    assert own_box.runtime.is_alive(own_box.directory)
    os.kill(pid, signal.SIGKILL)
    status = own_box.wait()
    assert (status.code, status.lost) == (255, True)


def test_a_new_launcher_looks_after_the_containers_of_the_old_one(own_box: Box) -> None:
    pid = own_box.run("/bin/sh", "-c", f"{GATE}; echo still here; exit 7", collect=False)
    kill(own_box.runtime.ensure_launcher())
    own_box.runtime.ensure_launcher()
    kill(own_box.record()["monitor_pid"])
    assert own_box.runtime.is_alive(own_box.directory)
    own_box.open_gate()
    status = own_box.wait()
    assert (status.code, status.lost) == (7, False)
    assert not Path(f"/proc/{pid}/root/bin").exists()
    fd = os.open(own_box.directory / "stdout", os.O_RDONLY | os.O_NONBLOCK)
    assert os.read(fd, 100) == b"still here\n"
    os.close(fd)


def test_a_new_launcher_leaves_the_word_to_the_old_monitors(own_box: Box) -> None:
    own_box.run("/bin/sh", "-c", f"{GATE}; exit 8")
    own_box.runtime.stop_launcher()
    own_box.runtime.ensure_launcher()
    own_box.open_gate()
    status = own_box.wait()
    assert (status.code, status.lost) == (8, False)


def test_a_full_pipe_holds_the_container_until_a_reader_comes(own_box: Box) -> None:
    own_box.run("/bin/sh", "-c", "busybox seq 1 50000; exit 4", collect=False)
    time.sleep(0.2)
    assert own_box.runtime.is_alive(own_box.directory)
    own_box.collect()
    assert own_box.wait().code == 4
    assert own_box.output()[0] == "".join(f"{n}\n" for n in range(1, 50001))


def test_the_monitor_leaves_when_the_pipes_are_drained_or_removed(make_box: MakeBox) -> None:
    read, removed = make_box(), make_box()
    for box in (read, removed):
        box.run("/bin/echo", "x", collect=False)
        box.wait()
        assert Path(f"/proc/{box.record()['monitor_pid']}").exists()
    monitors = [box.record()["monitor_pid"] for box in (read, removed)]
    fd = os.open(read.directory / "stdout", os.O_RDONLY | os.O_NONBLOCK)
    os.read(fd, 10)
    os.close(fd)
    removed.remove()
    until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in monitors))


def test_a_created_container_survives_its_creator_and_can_be_aborted_by_another(own_box: Box) -> None:
    own_box.create("/bin/sleep", "100", collect=False)
    kill(own_box.runtime.ensure_launcher())
    second = Runtime(own_box.config, own_box.cgroups)
    assert second.is_alive(own_box.directory)
    second.abort(own_box.directory)
    assert not second.is_alive(own_box.directory)


def test_fifty_runs_leave_no_process_descriptor_mount_or_group(own_box: Box) -> None:
    own_box.sh("exit 0")
    launcher = own_box.runtime.ensure_launcher()

    def traces() -> tuple[int, int, int]:
        descriptors = len(os.listdir(f"/proc/{launcher}/fd"))
        children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
        mounts = Path("/proc/self/mountinfo").read_text()
        return descriptors, len(children), mounts.count(str(own_box.config.home))

    until(lambda: traces()[1] == own_box.runtime.pooled() == own_box.runtime.pool_size)
    before, own = traces(), len(os.listdir("/proc/self/fd"))
    for number in range(50):
        assert own_box.result("/bin/sh", "-c", f"exit {number % 3}")[0] == number % 3
        if number % 10 == 0:
            own_box.cgroups.remove(own_box.id)
    until(lambda: _no_more(traces(), before), what=lambda: f"{traces()} to be {before}")
    until(lambda: len(os.listdir("/proc/self/fd")) <= own)  # what other tests have left comes and goes
    own_box.cgroups.remove(own_box.id)
    assert own_box.cgroups.list() == []


def _no_more(now: tuple[int, int, int], before: tuple[int, int, int]) -> bool:
    """`before` may have counted a question that was just being answered."""
    return all(one <= other for one, other in zip(now, before, strict=True))


def test_starts_succeed_while_launchers_are_killed_all_the_time(own_box: Box) -> None:
    own_box.wants_pool = False  # take what is there
    own_box.sh("exit 0")
    began = time.monotonic()
    own_box.sh("exit 0")
    pause = 0.03 + time.monotonic() - began  # one start can be done between two kills, on this machine and now
    done = threading.Event()

    def killer() -> None:
        while not done.wait(pause):
            with contextlib.suppress(EngineError, ProcessLookupError):
                os.kill(own_box.runtime.ensure_launcher(), signal.SIGKILL)

    thread = threading.Thread(target=killer)
    thread.start()
    try:
        for number in range(10):
            own_box.run("/bin/sh", "-c", f"exit {number}", collect=False)
            status = own_box.wait()
            assert (status.code, status.lost) == (number, False)
    finally:
        done.set()
        thread.join()


def test_a_process_that_cannot_be_recorded_is_not_left_behind(own_box: Box) -> None:
    (own_box.directory / "run.json").mkdir()  # nothing can be renamed over a directory
    with pytest.raises(EngineError, match="creating the container"):
        own_box.create("/bin/sleep", "100", collect=False)
    until(lambda: own_box.cgroups.pids(own_box.id) == [])
    (own_box.directory / "run.json").rmdir()


def test_a_senseless_request_does_not_stop_the_launcher(own_box: Box) -> None:
    launcher = own_box.runtime.ensure_launcher()
    run = str(own_box.config.run)
    with wire.connect(run, "launcher.sock", 5) as connection:
        connection.send(b"{nonsense")
        assert connection.recv(10) == b""
    with wire.connect(run, "launcher.sock", 5) as connection:
        wire.send(connection, {"verb": "create", "directory": "/no/such", "run": 1})
        answer = wire.receive(connection)
        assert answer is not None
        assert answer["error"]["family"] == "unavailable"
    assert own_box.runtime.ensure_launcher() == launcher


def test_the_interpreter_behind_proc_self_exe_lies_on_a_read_only_mount(own_box: Box) -> None:
    launcher = own_box.runtime.ensure_launcher()
    with Path(f"/proc/{launcher}/exe").open("rb") as file:
        assert os.fstatvfs(file.fileno()).f_flag & os.ST_RDONLY
        with pytest.raises(OSError, match=r"Read-only|busy"):
            os.open(f"/proc/self/fd/{file.fileno()}", os.O_WRONLY)


def test_a_launcher_whose_home_is_removed_ends(
    tmp_path: Path, cgroups: Cgroups, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime(EngineConfig(home=tmp_path / "gone"), cgroups)
    launcher = runtime.ensure_launcher()
    shutil.rmtree(tmp_path / "gone")
    os.kill(launcher, signal.SIGCHLD)  # instead of waiting for its next look
    until(lambda: record.start_ticks(launcher) is None)


def test_only_one_launcher_serves_a_home(own_box: Box) -> None:
    first = own_box.runtime.ensure_launcher()
    own_box.runtime._launcher.spawn()
    assert Runtime(own_box.config, own_box.cgroups).ensure_launcher() == first
