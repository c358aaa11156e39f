"""Containers that behave badly, hosts that have a bad day: each ends in a clear state, and in words of what to do."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
from pathlib import Path

import pytest

from engine.errors import EngineError
from engine.runtime.execs import ExecSpec
from tests.support.engine import Host
from tests.support.home import Home
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

FORKS = "echo begin; trap '' TERM; f() { f | f & }; f; while :; do sleep 1; done"


@pytest.fixture
def host(home: Home, tiny_image: str) -> Host:
    return Host(home, tiny_image)


def test_a_log_directory_that_is_gone_is_made_again(host: Host) -> None:
    record = host.run("sh", "-c", "trap 'echo after; exit 4' USR1; echo before; while :; do sleep 0.05; done")
    host.says(record.id, b"before")
    shutil.rmtree(host.home.config.containers / record.id / "log")
    host.engine.container_kill(record.id, "USR1")
    assert host.ended(record.id, 60).exit_code == 4
    assert host.log(record.id) == b"after\n"


def test_control_groups_that_are_gone_are_named(host: Host) -> None:
    """Somebody has moved the processes away and removed the groups."""
    record = host.run("sleep", "1000")
    groups = [Path(group) for group in host.home.container_cgroups() if record.id in group]
    assert groups
    for group in groups:
        for pid in (group / "cgroup.procs").read_text().split():
            (group.parent.parent / "cgroup.procs").write_text(pid)
        eventually(lambda group=group: not (group / "cgroup.procs").read_text(), what="an empty group")
        group.rmdir()
    for verb in (
        lambda: host.engine.container_pause(record.id),
        lambda: host.engine.container_exec(record.id, ExecSpec(args=("true",))),
        lambda: host.engine.container_update(record.id, {"memory_bytes": 64 << 20}),
    ):
        with pytest.raises(EngineError) as refused:
            verb()
        assert "control group" in str(refused.value), refused.value
    host.engine.sample()
    host.engine.container_top(record.id)
    assert host.engine.container_stop(record.id, 0).exit_code == 137
    host.engine.container_remove(record.id)
    assert host.is_clean(record.id)


def test_a_number_that_belongs_to_another_process_now_is_left_alone(host: Host) -> None:
    record = host.run("sleep", "1000")
    directory = host.home.config.containers / record.id
    found = json.loads((directory / "run.json").read_text())
    for pid in host.helper_pids("engine.keeper"):
        host.kill_hard(pid)
    host.kill_hard(host.engine.runtime.ensure_launcher())
    os.kill(found["monitor_pid"], signal.SIGKILL)
    os.kill(found["pid"], signal.SIGKILL)
    eventually(lambda: not host.engine.runtime.is_alive(directory), what="its end")
    bystander = os.fork()
    if bystander == 0:
        signal.pause()
        os._exit(0)
    try:
        # As if the kernel had given out both numbers again.
        for who in ("pid", "monitor_pid"):
            found[who] = bystander
        (directory / "run.json").write_text(json.dumps(found))
        host.engine.reconcile()
        ended = host.ended(record.id, 60)
        assert ended.exit_code == 255 and "lost" in str(ended.error)
        host.engine.container_remove(record.id, force=True)
        assert os.waitpid(bystander, os.WNOHANG) == (0, 0), "somebody else's process was killed"
    finally:
        os.kill(bystander, signal.SIGKILL)
        os.waitpid(bystander, 0)


def test_a_fork_bomb_is_ended_with_all_that_it_made(host: Host) -> None:
    record = host.run("sh", "-c", FORKS, pids_limit=200)
    host.says(record.id, b"begin")
    neighbour = host.run("sh", "-c", "exit 2")
    assert host.ended(neighbour.id, 120).exit_code == 2
    # A shell that can't fork for its own bomb gives up with 2.
    assert host.engine.container_stop(record.id, 0.2).exit_code in (2, 137)
    host.engine.container_remove(record.id)
    assert host.is_clean()


def test_who_floods_holds_up_nobody_and_is_stopped(host: Host) -> None:
    flood = host.run("yes", "flood")
    host.says(flood.id, b"flood")
    quiet = host.run("sh", "-c", "echo heard; exit 6")
    assert host.ended(quiet.id, 60).exit_code == 6
    assert host.log(quiet.id) == b"heard\n"
    assert host.engine.container_stop(flood.id, 0).exit_code == 137
    end = host.engine.container_logs(flood.id).end()
    tail = host.engine.container_logs(flood.id).read(max(0, end - 6000))
    assert set(b"".join(chunk.data for chunk in tail)) == set(b"flood\n")


def test_who_closes_its_output_lives_on(host: Host) -> None:
    script = "echo last; exec >&- 2>&- <&-; trap 'exit 8' TERM; while :; do sleep 0.05; done"
    record = host.run("sh", "-c", script)
    host.says(record.id, b"last")
    keeper = host.keeper_pid()
    assert host.engine.container_get(record.id).status == "running"
    assert host.engine.container_stop(record.id, 30).exit_code == 8
    assert host.log(record.id) == b"last\n"
    with contextlib.suppress(ValueError):  # it goes when nothing runs
        assert host.keeper_pid() == keeper
