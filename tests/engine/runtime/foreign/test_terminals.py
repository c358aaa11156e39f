"""A terminal by another runtime: its console socket brings the master, and all goes on as with one of ours."""

from __future__ import annotations

import json
import os
import signal

import pytest

from engine.errors import EngineError
from engine.runtime import terminal
from engine.runtime.execs import ExecSpec
from tests.engine.containers.test_attach import say
from tests.engine.runtime import execs
from tests.engine.runtime.foreign.conftest import ForeignHost
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]
any_runtime = pytest.mark.parametrize("foreign_host", ["crun", "runc", "own"], indirect=True)


@any_runtime
def test_a_shell_has_a_terminal_with_a_size_and_control_characters(foreign: ForeignHost) -> None:
    record = foreign.run("sh", tty=True, stdin_open=True, user="app")
    attached = foreign.engine.container_attach(record.id)
    attached.resize(33, 111)
    say(attached, b"stty size; test -t 0 -a -t 1 -a -t 2 && echo is-$((6*7))-terminal; stat -c %u $(tty)\n")
    foreign.says(record.id, b"33 111\r\nis-42-terminal\r\n1000\r\n")
    say(attached, b"sh -c 'echo up-$((1+1)); exec sleep 100'\n")
    foreign.says(record.id, b"up-2\r\n")
    say(attached, b"\x03")
    say(attached, b"echo code-$?\n")
    foreign.says(record.id, b"code-130\r\n")
    say(attached, b"exit 7\n")
    assert foreign.ended(record.id).exit_code == 7
    attached.close()


@any_runtime
def test_an_exec_has_one_too_and_hears_of_its_size(foreign: ForeignHost) -> None:
    record = foreign.run("sleep", "100")
    script = "trap 'stty size; exit 4' WINCH; tty; echo up; while :; do sleep 0.02; done"
    made = foreign.engine.container_exec(record.id, ExecSpec(args=("sh", "-c", script), tty=True, size=(5, 50)))
    assert made.master is not None
    assert b"/dev/pts/" in execs.read_until(made.master, b"up\r\n")
    terminal.resize(made.master, 50, 120)
    assert execs.read_all(made.master) == b"50 120\r\n"
    status = foreign.engine.container_exec_wait(record.id, made.id, 60)
    assert status is not None and status.code == 4


def test_it_goes_on_when_keeper_monitor_and_launcher_are_killed(foreign: ForeignHost) -> None:
    record = foreign.run("sh", "-c", "read a; echo =$a; read b; echo =$b; exit 5", tty=True, stdin_open=True)
    directory = foreign.home.config.containers / record.id
    run = json.loads((directory / "run.json").read_bytes())
    eventually((directory / "terminal.json").exists, what="a second holder of the terminal")
    foreign.kill_hard(foreign.keeper_pid())
    os.kill(run["monitor_pid"], signal.SIGKILL)
    foreign.engine.ensure_helpers()
    attached = foreign.engine.container_attach(record.id)
    say(attached, b"one\n")
    foreign.says(record.id, b"=one\r\n")
    say(attached, b"two\n")
    assert foreign.ended(record.id).exit_code == 5
    assert foreign.log(record.id).endswith(b"=two\r\n")
    attached.close()


def test_a_restart_makes_a_new_one(foreign: ForeignHost) -> None:
    record = foreign.run("sh", tty=True, stdin_open=True)
    for run in (1, 2):
        attached = foreign.engine.container_attach(record.id)
        say(attached, b"echo run-$((%d))-$((2+2))\n" % run)
        foreign.says(record.id, b"run-%d-4\r\n" % run)
        attached.close()
        if run == 1:
            foreign.engine.container_restart(record.id, 0)


def test_what_cannot_start_says_so_and_leaves_nobody_waiting(foreign: ForeignHost) -> None:
    for changes in ({"user": "nobody-of-this-name"}, {"command": ("/no/such/thing",)}):
        spec = foreign.spec("sh", tty=True, stdin_open=True, runtime=foreign.runtime, **changes)
        foreign.engine.container_create(spec)
        with pytest.raises(EngineError):
            foreign.engine.container_start(spec.id)
        foreign.engine.container_remove(spec.id)
        assert foreign.is_clean(spec.id)
