"""Kill -9 of every helper while output flows: no byte, no exit code and no restart is lost."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from engine.containers.keeper_link import import_path
from engine.containers.spec import PortMapping
from engine.facade import Engine
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

LINES = 60_000
WAIT = 'trap go=1 USR1; go=; echo begin; until [ "$go" ]; do usleep 10000; done'  # until it is told by a signal
COUNT = (  # with rests, or it would be through before anybody can be killed three times
    f"i=0; while [ $i -lt {LINES} ]; do echo line-$i; case $i in *000) usleep 30000;; esac; i=$((i+1)); done; exit 9"
)


def expected() -> bytes:
    return b"".join(b"line-%d\n" % number for number in range(LINES))


def same(left: bytes, right: bytes) -> bool:
    return hashlib.sha256(left).digest() == hashlib.sha256(right).digest()


def test_a_keeper_that_is_killed_again_and_again_loses_nothing(host: Host) -> None:
    chance = random.Random(7)
    records = [host.run("sh", "-c", COUNT) for _ in range(2)]
    kills = 0
    while any(host.engine.container_get(record.id).status == "running" for record in records) and kills < 40:
        for pid in host.helper_pids("engine.keeper"):
            host.kill_hard(pid)
            kills += 1
        time.sleep(chance.uniform(0, 0.06))
        host.engine.ensure_helpers()
        time.sleep(chance.uniform(0, 0.15))
    for record in records:
        assert host.ended(record.id).exit_code == 9
        assert same(host.log(record.id), expected())
    print(f"{kills} kills")
    assert kills >= 3 and host.is_clean()


def test_an_end_that_was_cut_short_before_its_mark_went_is_left_to_the_keeper(host: Host) -> None:
    record = host.run("sh", "-c", "echo last words; exit 12")
    before = host.ended(record.id)
    catalog = host.engine.containers._parts.catalog
    eventually(lambda: record.id not in catalog.live_ids(), what="the end of its end")
    for is_keeper_dead in (True, False):
        catalog.mark_live(record.id)  # as whoever ended it has left it
        if is_keeper_dead:
            host.kill_hard(host.keeper_pid())
        assert f"left the end of container {record.name} to the keeper" in Engine(host.home.config).reconcile()
        eventually(lambda: record.id not in catalog.live_ids(), what="the end of its mark")
    after = host.engine.container_get(record.id)
    assert (after.run, after.exit_code, after.finished_at) == (1, 12, before.finished_at)
    assert host.log(record.id) == b"last words\n"
    assert host.engine.container_start(record.id).run == 2


def test_a_container_waits_for_a_keeper_that_stays_away(host: Host) -> None:
    record = host.run("sh", "-c", f"{WAIT}; {COUNT}")
    host.says(record.id, b"begin")
    host.kill_hard(host.keeper_pid())
    os.kill(record.pid or 0, signal.SIGUSR1)
    time.sleep(0.3)
    assert host.engine.runtime.is_alive(host.home.config.containers / record.id)
    host.engine.ensure_helpers()
    assert host.ended(record.id).exit_code == 9
    assert same(host.log(record.id), b"begin\n" + expected())


def test_what_ended_without_any_keeper_is_found_by_the_next(host: Host) -> None:
    record = host.run("sh", "-c", f"{WAIT}; echo end; exit 6")
    host.says(record.id, b"begin")
    host.kill_hard(host.keeper_pid())
    os.kill(record.pid or 0, signal.SIGUSR1)
    note = host.home.config.containers / record.id / f"exit.{record.run}"
    eventually(note.exists, what="its end on record")
    assert host.engine.container_get(record.id).status == "running"
    host.engine.ensure_helpers()
    assert host.ended(record.id).exit_code == 6
    assert host.log(record.id) == b"begin\nend\n"
    assert host.is_clean(record.id)


def test_the_launchers_death_harms_nobody(host: Host) -> None:
    record = host.run("sh", "-c", COUNT)
    host.kill_hard(host.engine.runtime.ensure_launcher())
    second = host.run("sh", "-c", "exit 2")
    assert host.ended(second.id).exit_code == 2
    assert host.ended(record.id).exit_code == 9
    assert same(host.log(record.id), expected())


def test_hands_that_are_killed_are_replaced(host: Host) -> None:
    record = host.run("sh", "-c", "exit 1", restart="on-failure", restart_limit=4)
    kills = 0
    for _ in range(3000):
        for pid in host.helper_pids("engine.keeper.hands"):
            host.kill_hard(pid)
            kills += 1
            time.sleep(0.5)
        if host.engine.container_get(record.id).status == "stopped" or kills >= 4:
            break
        time.sleep(0.02)
    assert kills
    ended = host.ended(record.id)
    assert (ended.exit_code, ended.restart_count) == (1, 4)
    assert host.is_clean(record.id)


def test_a_monitors_death_is_told_with_the_right_code(host: Host) -> None:
    record = host.run("sh", "-c", f"{WAIT}; echo end; exit 6")
    host.says(record.id, b"begin")
    run = json.loads((host.home.config.containers / record.id / "run.json").read_bytes())
    os.kill(run["monitor_pid"], signal.SIGKILL)
    os.kill(record.pid or 0, signal.SIGUSR1)
    ended = host.ended(record.id)
    assert ended.exit_code == 6
    assert host.log(record.id) == b"begin\nend\n"


STARTER = """
import sys
from engine.config import EngineConfig
from engine.facade import Engine
engine = Engine(EngineConfig.from_environment())
print("ready", flush=True)
sys.stdin.readline()
engine.container_start(sys.argv[1])
"""


def test_a_start_that_is_killed_at_any_moment_is_undone_or_done(host: Host) -> None:
    chance = random.Random(11)
    states = set()
    for number in range(10):
        spec = host.spec("sleep", "100", ports=(PortMapping(container=80),))
        host.engine.container_create(spec)
        starter = subprocess.Popen(
            [sys.executable, "-c", STARTER, spec.id],
            env=host.home.environment(PYTHONPATH=import_path()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert starter.stdin and starter.stdout
        starter.stdout.readline()
        starter.stdin.write(b"go\n")
        starter.stdin.flush()
        time.sleep(chance.uniform(0, 0.06))
        starter.kill()
        starter.communicate()
        engine = Engine(host.home.config)
        engine.reconcile()
        record = engine.container_get(spec.id)
        states.add(record.status)
        if record.status == "running":
            assert engine.runtime.is_alive(host.home.config.containers / spec.id)
        else:
            assert host.is_clean(spec.id), f"attempt {number}"
        assert engine.container_start(spec.id).status == "running"
        engine.container_remove(spec.id, force=True)
    assert host.is_clean()
    print(states)


def test_after_a_host_crash_the_record_is_put_right_and_policies_apply(host: Host) -> None:
    plain = host.run("sleep", "100", ports=(PortMapping(container=80),))
    always = host.run("sleep", "100", restart="always")
    host.kill_hard(host.keeper_pid())
    host.engine.stop_launcher()
    for record in (plain, always):
        directory = host.home.config.containers / record.id
        run = json.loads((directory / "run.json").read_bytes())
        for pid in (run["monitor_pid"], run["pid"]):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not host.home.container_processes(), what="the end of all processes")
    done = Engine(host.home.config).reconcile()
    assert any("restart policy" in line for line in done)
    lost = host.engine.container_get(plain.id)
    assert (lost.status, lost.exit_code, lost.desired) == ("stopped", 255, "running")
    assert lost.finished_at is not None and "lost" in str(lost.error)
    back = host.engine.container_get(always.id)
    assert (back.status, back.run) == ("running", 2)
    host.engine.container_remove(always.id, force=True)
    assert host.is_clean()


def test_a_keeper_without_work_goes_and_comes_back_in_time(host: Host) -> None:
    eventually(lambda: not host.helper_pids("engine.keeper"), what="the keeper's end")
    record = host.run("sh", "-c", "echo here")
    assert host.ended(record.id).exit_code == 0
    assert host.log(record.id) == b"here\n"
