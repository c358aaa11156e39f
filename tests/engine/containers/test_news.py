"""What changes no state is told once as well: attaching and leaving, commits, looks, what is killed for its memory."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest

from engine.containers.committing import CommitSpec
from engine.containers.keeper_link import import_path
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

_ATTACH = """
import sys
from engine.config import EngineConfig
from engine.facade import Engine
attachment = Engine(EngineConfig.from_environment()).container_attach(sys.argv[1])
print("attached", flush=True)
sys.stdin.read()
"""


def actions(host: Host, container_id: str) -> list[str]:
    entries = host.engine.journal.read(0, limit=100_000)
    return [e.attributes["action"] for e in entries if e.kind == "action.done" and e.subject == container_id]


def test_who_left_by_dying_is_told_to_have_left_and_once(tidy_host: Host) -> None:
    record = tidy_host.run("sleep", "1000", stdin_open=True)
    environment = {**tidy_host.home.environment(), "PYTHONPATH": import_path()}
    program = subprocess.Popen(
        [sys.executable, "-c", _ATTACH, record.id], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert program.stdout is not None and program.stdout.readline() == b"attached\n"
    with contextlib.closing(tidy_host.engine.container_attach(record.id)):
        tidy_host.engine.reconcile()
        assert actions(tidy_host, record.id) == ["attach", "attach"], "both are there"
        os.kill(program.pid, signal.SIGKILL)
        program.communicate()
        for _ in range(2):
            tidy_host.engine.reconcile()
            assert actions(tidy_host, record.id) == ["attach", "attach", "detach"]
    assert actions(tidy_host, record.id) == ["attach", "attach", "detach", "detach"]
    tidy_host.engine.reconcile()
    assert actions(tidy_host, record.id).count("detach") == 2


def test_only_who_leaves_a_run_that_goes_on_is_told_to_have_left(tidy_host: Host) -> None:
    record = tidy_host.run("sleep", "1000")
    stays = tidy_host.engine.container_attach(record.id)
    tidy_host.engine.container_attach(record.id).close()
    assert actions(tidy_host, record.id) == ["attach", "attach", "detach"]
    tidy_host.engine.container_restart(record.id, 0)
    stays.close()  # the run that it was attached to is over, though another one goes on
    later = tidy_host.engine.container_attach(record.id)
    tidy_host.engine.container_kill(record.id)
    later.close()
    assert actions(tidy_host, record.id).count("detach") == 1


def test_who_died_after_the_end_has_left_nothing(tidy_host: Host) -> None:
    record = tidy_host.run("sleep", "1000")
    environment = {**tidy_host.home.environment(), "PYTHONPATH": import_path()}
    program = subprocess.Popen(
        [sys.executable, "-c", _ATTACH, record.id], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert program.stdout is not None and program.stdout.readline() == b"attached\n"
    tidy_host.engine.container_kill(record.id)
    os.kill(program.pid, signal.SIGKILL)
    program.communicate()
    tidy_host.engine.reconcile()
    assert actions(tidy_host, record.id) == ["attach"]
    assert not list((tidy_host.home.config.containers / record.id).glob("attached.*.*"))


def test_a_commit_that_is_asked_for_again_is_told_once(tidy_host: Host) -> None:
    record = tidy_host.run("sleep", "1000")
    spec = CommitSpec(reference="team/news:1", created_at="2026-01-02T03:04:05Z")
    image = tidy_host.engine.container_commit(record.id, spec)
    assert tidy_host.engine.container_commit(record.id, spec).id == image.id
    assert actions(tidy_host, record.id) == ["commit"]
    tidy_host.engine.container_commit(record.id, CommitSpec(reference="team/news:1", created_at="2026-01-02T03:04:06Z"))
    assert actions(tidy_host, record.id) == ["commit", "commit"]


def test_a_look_at_the_processes_is_told_if_it_shall_be(tidy_host: Host) -> None:
    record = tidy_host.run("sleep", "1000")
    tidy_host.engine.container_top(record.id)
    assert actions(tidy_host, record.id) == []
    tidy_host.engine.container_top(record.id, tell=True)
    assert actions(tidy_host, record.id) == ["top"]


def test_what_is_killed_for_its_memory_is_told_while_the_container_lives_on(tidy_host: Host) -> None:
    hog = "(x=0123456789abcdef; while :; do x=$x$x; done); echo survived; exec sleep 1000"
    record = tidy_host.run("sh", "-c", hog, memory_bytes=16 << 20)
    tidy_host.says(record.id, b"survived")
    eventually(lambda: "oom" in tidy_host.events(record.id), what="the event")
    assert tidy_host.engine.container_get(record.id).status == "running"
    tidy_host.engine.container_kill(record.id)
    ended = tidy_host.ended(record.id)
    assert ended.oom_killed
    told = tidy_host.events(record.id)
    assert told.count("oom") == 1 and told.index("oom") < told.index("died")
