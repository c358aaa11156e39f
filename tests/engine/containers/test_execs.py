"""More processes in a container, as the worker asks for them: by name, with events, and gone when it is."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import Conflict, NotFound
from engine.facade import Engine
from engine.runtime.execs import ExecSpec, Stdio
from tests.engine.runtime.execs import read_all, read_until
from tests.support.engine import Host
from tests.support.home import Home
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


@pytest.fixture
def host(home: Home, tiny_image: str) -> Host:
    return Host(home, tiny_image)


def told(host: Host, exec_id: str) -> list[tuple[str, dict[str, object]]]:
    return [(entry.kind, entry.attributes) for entry in host.engine.journal.read(0) if entry.subject == exec_id]


def test_its_start_and_its_end_are_told_once(host: Host) -> None:
    record = host.run("sleep", "100")
    read, write = os.pipe()
    spec = ExecSpec(args=("sh", "-c", "echo $A; exit 3"), env=("A=1",))
    made = host.engine.container_exec(record.name, spec, Stdio(stdout=write))
    os.close(write)
    assert read_all(read) == b"1\n"
    for _ in range(2):
        status = host.engine.container_exec_wait(record.id, made.id, 60)
        assert status is not None and status.code == 3
    host.engine.container_exec_remove(record.id, made.id)
    whose = {"type": "container", "container": record.id, "name": record.name, "image": record.spec.image, "labels": {}}
    started = {**whose, "command": ["sh", "-c", "echo $A; exit 3"], "user": None, "tty": False}
    died = {**whose, "exit_code": 3}
    assert told(host, made.id) == [("exec.created", started), ("exec.started", started), ("exec.died", died)]
    with pytest.raises(NotFound):
        host.engine.container_exec_status(record.id, made.id)
    assert host.engine.container_get(record.id).status == "running"


def test_an_end_that_its_waiter_does_not_tell_of_is_told_by_the_removal(host: Host) -> None:
    record = host.run("sleep", "100")
    made = host.engine.container_exec(record.id, ExecSpec(args=("sh", "-c", "exit 3")))
    status = host.engine.container_exec_wait(record.id, made.id, 60, is_told=False)
    assert status is not None and status.code == 3
    assert [kind for kind, _ in told(host, made.id)] == ["exec.created", "exec.started"]
    host.engine.container_exec_remove(record.id, made.id)
    assert [kind for kind, _ in told(host, made.id)] == ["exec.created", "exec.started", "exec.died"]


def test_a_container_that_does_not_run_or_is_paused_takes_none(host: Host) -> None:
    spec = host.spec("sleep", "100")
    host.engine.container_create(spec)
    with pytest.raises(Conflict, match="start it first"):
        host.engine.container_exec(spec.id, ExecSpec(args=("true",)))
    host.engine.container_start(spec.id)
    host.engine.container_pause(spec.id)
    with pytest.raises(Conflict, match="unpause it first"):
        host.engine.container_exec(spec.id, ExecSpec(args=("true",)))
    host.engine.container_unpause(spec.id)
    made = host.engine.container_exec(spec.id, ExecSpec(args=("true",)))
    assert host.engine.container_exec_wait(spec.id, made.id, 60) is not None
    host.engine.container_kill(spec.id)
    with pytest.raises(Conflict, match="start it first"):
        host.engine.container_exec(spec.id, ExecSpec(args=("true",)))


@pytest.mark.parametrize("env", [{}, {"TERM": "xterm"}, {"TERM": "vt100"}])
def test_without_a_terminal_it_has_no_term_but_one_that_was_asked_for(host: Host, env: dict[str, str]) -> None:
    record = host.run("sleep", "100", tty=True, env=env)
    read, write = os.pipe()
    words = ("sh", "-c", "echo $TERM")
    host.engine.container_exec(record.id, ExecSpec(args=words), Stdio(stdout=write))
    os.close(write)
    assert read_all(read).decode() == env.get("TERM", "") + "\n"
    with_terminal = host.engine.container_exec(record.id, ExecSpec(args=words, tty=True))
    assert with_terminal.master is not None
    assert read_all(with_terminal.master).decode() == env.get("TERM", "xterm") + "\r\n"


def test_a_removed_container_leaves_nothing_of_its_execs(host: Host) -> None:
    record = host.run("sleep", "100")
    made = [host.engine.container_exec(record.id, ExecSpec(args=("sleep", "100"), tty=tty)) for tty in (False, True)]
    host.engine.container_remove(record.id, force=True)
    assert host.is_clean(record.id)
    eventually(lambda: not any(Path(f"/proc/{one.pid}").exists() for one in made), what="the end of the execs")
    os.close(made[1].master or -1)
    with pytest.raises(NotFound):
        host.engine.container_exec_wait(record.id, made[0].id, 1)


def test_a_recovery_tells_of_ends_that_nobody_saw(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    record = host.run("sleep", "100")
    made = host.engine.container_exec(record.id, ExecSpec(args=("sleep", "100")))
    engine = Engine(host.engine.config)  # the worker's next life
    engine.reconcile()
    assert [kind for kind, _ in told(host, made.id)] == ["exec.created", "exec.started"]
    engine.container_exec_signal(record.id, made.id, "SIGKILL")
    eventually(lambda: engine.container_exec_status(record.id, made.id), what="its end")
    engine.reconcile()
    kind, died = told(host, made.id)[2]
    assert (kind, died["container"], died["exit_code"]) == ("exec.died", record.id, 137)
    monkeypatch.setattr("engine.runtime.execs.KEEP_SECONDS", -1)
    assert any("forgot 1 ended execs" in line for line in engine.reconcile())
    assert engine.runtime.execs(engine.config.containers / record.id) == []


KILLED = """
import os, signal, sys
from engine.config import EngineConfig
from engine.containers import execs
from engine.facade import Engine
from engine.runtime.execs import ExecSpec
execs._tell_of_start = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
Engine(EngineConfig.from_environment()).container_exec(sys.argv[1], ExecSpec(args=sys.argv[2:], id="e" * 64))
"""


@pytest.mark.parametrize("has_ended", [False, True])
def test_a_start_that_a_death_kept_from_being_told_is_told_once(host: Host, has_ended: bool) -> None:
    record = host.run("sleep", "100")
    words = ["sh", "-c", "exit 4"] if has_ended else ["sleep", "100"]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, record.id, *words], env=environment(host), check=False, timeout=120
    )
    assert done.returncode == -signal.SIGKILL
    assert told(host, "e" * 64) == []
    if has_ended:
        eventually(lambda: host.engine.container_exec_status(record.id, "e" * 64), what="its end")
    for _ in range(2):
        Engine(host.engine.config).reconcile()  # the worker's next lives
        found = told(host, "e" * 64)
        assert [kind for kind, _ in found] == ["exec.created", "exec.started", "exec.died"][: 2 + has_ended]
        assert (found[0][1]["command"], found[0][1]["container"]) == (words, record.id)


def command_line(host: Host, *words: str) -> list[str]:
    return [sys.executable, "-m", "engine", "exec", *words]


def environment(host: Host) -> dict[str, str]:
    return {**os.environ, "PORTSIDE_HOME": str(host.home.path)}


def test_the_command_line_carries_bytes_and_the_exit_code(host: Host) -> None:
    record = host.run("sleep", "100")
    script = "cat; echo err >&2; id -u; pwd; echo $A; exit 6"
    done = subprocess.run(
        command_line(host, "-i", "-e", "A=x", "-u", "4711", "-w", "/tmp", record.name, "sh", "-c", script),
        input=b"in\n", capture_output=True, env=environment(host), check=False, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (6, b"in\n4711\n/tmp\nx\n", b"err\n")
    done = subprocess.run(
        command_line(host, record.name, "nosuch"), capture_output=True, env=environment(host), check=False, timeout=120
    )
    assert done.returncode == 127 and b"not found" in done.stderr
    assert host.engine.runtime.execs(host.engine.config.containers / record.id) == []


def test_the_command_line_can_be_a_terminal(host: Host) -> None:
    record = host.run("sleep", "100")
    ours, theirs = pty.openpty()
    words = command_line(host, "-it", record.name, "sh", "-c", "echo up; read line; echo got $line; exit 8")
    program = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(host), start_new_session=True
    )
    os.close(theirs)
    read_until(ours, b"up\r\n", 60)
    os.write(ours, b"hello\r")
    read_until(ours, b"got hello\r\n")
    assert program.wait(60) == 8
    os.close(ours)
    assert signal.getsignal(signal.SIGWINCH) in (signal.SIG_DFL, None)


def test_who_leaves_a_terminal_by_keys_leaves_the_process_alone(host: Host) -> None:
    record = host.run("sleep", "100")
    ours, theirs = pty.openpty()
    script = (
        "trap 'echo > /hup' HUP; echo up; read a; seq 100000; echo $a > /said; until [ -e /go ]; do sleep 0.1; done"
    )
    words = command_line(host, "-it", "--detach-keys", "ctrl-x,q", record.name, "sh", "-c", f"{script}; exit 7")
    program = subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(host), start_new_session=True
    )
    os.close(theirs)
    read_until(ours, b"up\r\n", 60)
    (left,) = host.engine.container_execs(record.id)
    os.write(ours, b"a\x18b\r\x18q")  # half of the keys goes to the process
    assert program.wait(60) == 0
    os.close(ours)
    inside = Path(f"/proc/{record.pid}/root")
    said = inside / "said"  # after more than a terminal holds
    eventually(lambda: said.exists() and said.read_bytes() == b"a\x18b\n", what="what it goes on with")
    assert [one["id"] for one in host.engine.container_execs(record.id)] == [left["id"]]
    host.engine.container_exec(record.id, ExecSpec(args=("touch", "/go")))
    ends = ("exec.died", 7)
    eventually(
        lambda: ends in [(kind, about.get("exit_code")) for kind, about in told(host, left["id"])], what="its end told"
    )
    eventually(lambda: host.engine.container_execs(record.id) == [], what="nothing left of it")
    assert not (inside / "hup").exists()


def test_those_that_run_are_told_and_one_is_killed_with_what_it_started(host: Host) -> None:
    record = host.run("sleep", "100")
    made = host.engine.container_exec(record.id, ExecSpec(args=("sh", "-c", "trap '' HUP TERM; sleep 99 & wait")))
    eventually(lambda: len(host.engine.container_top(record.id)["processes"]) == 3, what="its child")
    said = {"id": made.id, "pid": made.pid, "command": ["sh", "-c", "trap '' HUP TERM; sleep 99 & wait"]}
    assert host.engine.container_execs(record.id) == [{**said, "user": None, "tty": False}]
    host.engine.container_exec_kill(record.id, made.id)
    eventually(lambda: len(host.engine.container_top(record.id)["processes"]) == 1, what="no process of it")
    assert host.engine.container_execs(record.id) == []
    assert [attributes.get("exit_code") for kind, attributes in told(host, made.id) if kind == "exec.died"] == [137]
    host.engine.container_exec_kill(record.id, made.id)  # one that is gone is no error


def test_an_end_that_nobody_waited_for_is_told_to_who_asks_what_runs(host: Host) -> None:
    record = host.run("sleep", "100")
    made = host.engine.container_exec(record.id, ExecSpec(args=("sh", "-c", "exit 4")))
    eventually(lambda: host.engine.container_exec_status(record.id, made.id), what="its end")
    assert host.engine.container_execs(record.id) == []
    assert [attributes.get("exit_code") for kind, attributes in told(host, made.id) if kind == "exec.died"] == [4]
