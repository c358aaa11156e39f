"""Monitor, launcher and keeper watch the same end: any two may die together, and nothing is lost."""

from __future__ import annotations

import json
import os
import resource
import signal
from typing import Any

import pytest

from engine.containers.record import ContainerRecord
from engine.runtime import record as runs
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

KERNEL = tuple(int(part) for part in os.uname().release.split("-")[0].split(".")[:2])
NUMBERS = b"".join(b"%d\n" % number for number in range(1, 5001))
# Waits for SIGUSR1, then says much at once and ends with its own code.
TALKS = "trap 'seq 1 5000; exit 6' USR1; echo begin; while :; do sleep 0.05; done"


def talker(host: Host, **options: Any) -> ContainerRecord:
    record = host.run("sh", "-c", TALKS, **options)
    host.says(record.id, b"begin")
    return record


def monitor_of(host: Host, record: ContainerRecord) -> int:
    pid: int = json.loads((host.home.config.containers / record.id / "run.json").read_bytes())["monitor_pid"]
    return pid


@pytest.mark.skipif(KERNEL < (6, 15), reason="an older kernel tells nobody but the parent how a process ended")
def test_the_keeper_alone_tells_the_right_code(host: Host) -> None:
    record = talker(host)
    host.kill_hard(host.engine.runtime.ensure_launcher())
    host.kill_hard(monitor_of(host, record))
    host.engine.container_kill(record.id, "USR1")
    ended = host.ended(record.id, 60)
    assert (ended.exit_code, ended.error) == (6, None)
    assert host.log(record.id) == b"begin\n" + NUMBERS
    assert host.is_clean(record.id)


@pytest.mark.skipif(KERNEL < (6, 15), reason="an older kernel tells nobody but the parent how a process ended")
def test_a_stop_waits_for_what_the_keeper_alone_has_seen(host: Host) -> None:
    record = host.run("sh", "-c", "trap 'exit 7' TERM; echo begin; while :; do sleep 0.05; done")
    host.says(record.id, b"begin")
    host.kill_hard(host.engine.runtime.ensure_launcher())
    host.kill_hard(monitor_of(host, record))
    stopped = host.engine.container_stop(record.id, 30)
    assert (stopped.exit_code, stopped.error) == (7, None)


def test_the_launcher_alone_keeps_output_and_code(host: Host) -> None:
    record = talker(host)
    launcher = host.engine.runtime.ensure_launcher()
    os.kill(launcher, signal.SIGSTOP)  # it can do nothing after the death: what it holds, it holds from the start
    try:
        host.kill_hard(host.keeper_pid())
        host.kill_hard(monitor_of(host, record))
        host.engine.container_kill(record.id, "USR1")
        directory = host.home.config.containers / record.id
        found = runs.read_run(str(directory))
        assert found is not None
        eventually(lambda: runs.start_ticks(found["pid"]) is None, seconds=60, what="the container's end")
    finally:
        os.kill(launcher, signal.SIGCONT)
    host.engine.ensure_helpers()
    assert host.ended(record.id, 60).exit_code == 6
    assert host.log(record.id) == b"begin\n" + NUMBERS
    assert host.is_clean(record.id)


def test_the_monitor_alone_keeps_output_and_code(host: Host) -> None:
    record = talker(host)
    host.kill_hard(host.keeper_pid())
    host.kill_hard(host.engine.runtime.ensure_launcher())
    host.engine.container_kill(record.id, "USR1")
    exit_file = host.home.config.containers / record.id / "exit.1"
    eventually(exit_file.exists, seconds=60, what="the monitor's word")
    host.engine.ensure_helpers()
    assert host.ended(record.id, 60).exit_code == 6
    assert host.log(record.id) == b"begin\n" + NUMBERS


def test_what_a_monitor_still_held_after_the_end_is_kept_when_it_is_killed(host: Host) -> None:
    record = talker(host)
    host.kill_hard(host.keeper_pid())
    host.engine.container_kill(record.id, "USR1")
    directory = host.home.config.containers / record.id
    eventually((directory / "exit.1").exists, seconds=60, what="the monitor's word")
    host.kill_hard(monitor_of(host, record))
    host.engine.ensure_helpers()
    assert host.ended(record.id, 60).exit_code == 6
    assert host.log(record.id) == b"begin\n" + NUMBERS


def test_a_terminal_outlives_its_monitor_and_then_its_keeper(host: Host) -> None:
    record = talker(host, tty=True)
    eventually((host.home.config.containers / record.id / "terminal.json").exists, seconds=60, what="its second holder")
    host.kill_hard(monitor_of(host, record))
    host.kill_hard(host.keeper_pid())
    host.engine.container_kill(record.id, "USR1")
    host.engine.ensure_helpers()
    assert host.ended(record.id, 60).exit_code == 6
    assert host.log(record.id) == (b"begin\n" + NUMBERS).replace(b"\n", b"\r\n")
    assert host.is_clean(record.id)


def test_a_new_launcher_holds_terminals_as_well(host: Host) -> None:
    record = talker(host, tty=True)
    host.kill_hard(host.engine.runtime.ensure_launcher())
    launcher = host.engine.runtime.ensure_launcher()
    holder = host.home.config.containers / record.id / "terminal.json"
    eventually(lambda: json.loads(holder.read_bytes())["pid"] == launcher, seconds=60, what="its new holder")
    host.kill_hard(monitor_of(host, record))
    host.kill_hard(host.keeper_pid())
    host.engine.container_kill(record.id, "USR1")
    host.engine.ensure_helpers()
    host.ended(record.id, 60)
    assert host.log(record.id) == (b"begin\n" + NUMBERS).replace(b"\n", b"\r\n")


def test_a_container_has_the_hosts_limit_of_descriptors_and_not_the_launchers(host: Host) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 900), hard))
    try:
        host.engine.stop_launcher()
        record = host.run("sh", "-c", "ulimit -n")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert host.ended(record.id).exit_code == 0
    assert host.log(record.id).split() == [b"900"]


def test_who_waits_starts_the_keeper_that_sees_the_end(host: Host) -> None:
    """Nothing else might: it was killed, and the next start is a long way off."""
    record = host.run("sh", "-c", "sleep 2; exit 3")
    host.kill_hard(host.keeper_pid())
    ended = host.engine.container_wait(record.id, 60)
    assert ended is not None and ended.exit_code == 3
