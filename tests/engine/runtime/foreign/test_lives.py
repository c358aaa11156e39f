"""A container of another runtime lives as one of ours does: same verbs, codes, logs, limits, network, policies."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest

from engine.containers.spec import PortMapping
from engine.errors import Conflict, EngineError, InvalidArgument
from engine.runtime.execs import ExecSpec, Stdio
from tests.engine.runtime.foreign.conftest import ForeignHost
from tests.support.processes import eventually, free_port

pytestmark = [pytest.mark.root, pytest.mark.registry]
any_runtime = pytest.mark.parametrize("foreign_host", ["crun", "runc", "own"], indirect=True)


@any_runtime
def test_it_runs_to_its_exit_with_log_and_code_and_sees_its_settings(foreign: ForeignHost) -> None:
    record = foreign.run(
        "sh",
        "-c",
        'echo "$(hostname) $(id -u) $PWD $COLOUR $HOME"; cat /etc/hosts; hostname -i; readlink /proc/self/fd/0; '
        "echo err >&2; exit 3",
        hostname="web",
        user="app",
        workdir="/tmp",
        env={"COLOUR": "blue"},
    )
    ended = foreign.ended(record.id)
    assert (ended.status, ended.exit_code, ended.error, ended.oom_killed) == ("stopped", 3, None, False)
    lines = foreign.log(record.id, "stdout").decode().splitlines()
    assert lines[0] == "web 1000 /tmp blue /home/app"
    assert f"{record.ip_address}\tweb" in lines
    assert lines[-2] == record.ip_address
    assert lines[-1] in ("/dev/null", "/null"), "neither a pipe nor a file of the host"
    assert foreign.log(record.id, "stderr") == b"err\n"
    assert foreign.events(record.id) == ["created", "started", "died"]
    assert foreign.is_clean(record.id) and record.id not in foreign.states()


def test_it_is_the_other_runtime_that_made_it_under_our_monitor(foreign: ForeignHost) -> None:
    record = foreign.run("sleep", "100")
    run = json.loads((foreign.home.config.containers / record.id / "run.json").read_bytes())
    assert (run["runtime"], run["started"], run["pid"]) == (foreign.runtime, True, record.pid)
    assert record.id in foreign.states()
    parent = Path(f"/proc/{record.pid}/stat").read_text().rpartition(")")[2].split()[1]
    assert int(parent) == run["monitor_pid"]
    children = Path(f"/proc/{parent}/task/{parent}/children")
    eventually(lambda: children.read_text().split() == [str(record.pid)], what="the end of the helper, zombie and all")
    assert not foreign.home.mounts(), "the host's mount table shows a container's root"


def test_it_is_as_tight_as_ours(foreign: ForeignHost) -> None:
    script = (
        "grep -E '^(Cap(Prm|Eff|Bnd|Inh|Amb)|NoNewPrivs|Seccomp):' /proc/self/status; cat /proc/self/oom_score_adj; "
        "umask; cat /proc/self/cgroup; cat /proc/timer_list /proc/keys 2>&1 | head -c 100; ls /sys/firmware; "
        "echo 1 2>/dev/null >/proc/sys/kernel/core_pattern || echo kept; ls /dev; "
        "unshare -U true 2>/dev/null || echo alone; sh -c true && echo forked"
    )
    ours = foreign.run("sh", "-c", script, runtime="portside")
    theirs = foreign.run("sh", "-c", script)
    for record in (ours, theirs):
        foreign.ended(record.id)

    def told(container_id: str) -> list[str]:
        said = foreign.log(container_id).decode()
        assert container_id not in said, "it sees its control groups from outside"
        return [line for line in said.splitlines() if not line[0].isdigit() or ":" not in line]

    assert set(told(theirs.id)) - set(told(ours.id)) <= {"console", "core"}
    assert {"kept", "alone", "forked"} < set(told(theirs.id))


@pytest.mark.parametrize(
    ("command", "code"), [("/no/such/thing", 127), ("nosuchcommand", 127), ("/etc/not-executable", 126)]
)
def test_a_command_that_can_not_run_is_told_in_its_words(foreign: ForeignHost, command: str, code: int) -> None:
    spec = foreign.spec(command, runtime=foreign.runtime)
    foreign.engine.container_create(spec)
    with pytest.raises(EngineError) as caught:
        foreign.engine.container_start(spec.id)
    assert caught.value.detail["exit_code"] == code
    assert caught.value.message.startswith(f"{foreign.runtime}: ")
    record = foreign.engine.container_get(spec.id)
    assert (record.status, record.exit_code, record.error) == ("created", code, caught.value.message)
    assert foreign.is_clean(spec.id) and spec.id not in foreign.states()


def test_an_unknown_user_is_told_as_with_ours(foreign: ForeignHost) -> None:
    spec = foreign.spec("true", runtime=foreign.runtime, user="nobody-there")
    foreign.engine.container_create(spec)
    with pytest.raises(InvalidArgument, match="unable to find user nobody-there"):
        foreign.engine.container_start(spec.id)


def test_the_options_of_docker_run_reach_it(foreign: ForeignHost) -> None:
    script = (
        "grep -E '^(CapBnd|NoNewPrivs|Seccomp):' /proc/self/status; grep -c ^ /dev/null; ulimit -n; id -G; "
        "touch /x 2>&1; touch /scratch/x; dd if=/dev/zero of=/dev/nul2 count=1 2>/dev/null && echo made; "
        "dd if=/dev/sd-none of=/dev/null count=1 2>/dev/null || echo refused; cat /proc/sys/net/ipv4/ip_default_ttl"
    )
    options = {
        "cap_add": ("NET_ADMIN",), "cap_drop": ("CHOWN",), "security_opt": ("seccomp=unconfined",), "read_only": True,
        "tmpfs": ("/scratch:size=1m",), "ulimits": ("nofile=77:88",), "group_add": ("42",), "init": True,
        "devices": ("/dev/null:/dev/nul2:rw",), "sysctls": {"net.ipv4.ip_default_ttl": "33"},
    }  # fmt: skip
    ours = foreign.run("sh", "-c", script, runtime="portside", **options)
    theirs = foreign.run("sh", "-c", script, **options)
    for record in (ours, theirs):
        assert foreign.ended(record.id).exit_code == 0, foreign.log(record.id)
    assert foreign.log(theirs.id) == foreign.log(ours.id)
    assert b"Read-only" in foreign.log(theirs.id) and b"made" in foreign.log(theirs.id)


def test_stop_kill_and_pause(foreign: ForeignHost) -> None:
    script = "trap 'echo bye; exit 5' TERM; trap 'echo hup' HUP; while :; do echo tick; sleep 0.02; done"
    record = foreign.run("sh", "-c", script)
    foreign.says(record.id, b"tick")
    assert foreign.engine.container_kill(record.id, "HUP").status == "running"
    foreign.says(record.id, b"hup")
    assert foreign.engine.container_pause(record.id).status == "paused"
    before = foreign.silent(record.id)
    foreign.engine.container_unpause(record.id)
    eventually(lambda: len(foreign.log(record.id)) > len(before), what="more of the log")
    foreign.engine.container_pause(record.id)
    assert foreign.engine.container_stop(record.id, 10).exit_code == 5
    assert foreign.log(record.id).endswith(b"bye\n")
    stubborn = foreign.run("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    foreign.says(stubborn.id, b"ready")
    assert foreign.engine.container_stop(stubborn.id, 0.2).exit_code == 128 + signal.SIGKILL


def test_an_exec_joins_it(foreign: ForeignHost) -> None:
    record = foreign.run("sh", "-c", "while :; do sleep 1; done", hostname="there", user="app", pids_limit=50)
    read, write = os.pipe()
    strange = "grep -E ':(memory|pids|devices|cpu|):' /proc/self/cgroup | grep -vc :/$"
    script = f"hostname; id -u; {strange}; ls /proc | grep -c ^1$; exit 9"
    made = foreign.engine.container_exec(record.id, ExecSpec(args=("sh", "-c", script)), Stdio(stdout=write))
    os.close(write)
    with os.fdopen(read) as output:
        assert output.read().split() == ["there", "1000", "0", "1"]
    status = foreign.engine.container_exec_wait(record.id, made.id, 60)
    assert status is not None and status.code == 9


def test_it_runs_the_program_when_its_start_is_told(foreign: ForeignHost) -> None:
    """The runtimes end their start a moment earlier, and what asked for an exec then was told that nothing runs."""
    spec = foreign.spec("sleep", "100", runtime=foreign.runtime)
    foreign.engine.container_create(spec)
    foreign.arm("before start early")
    record = foreign.engine.container_start(spec.id)
    assert foreign.is_obeyed()
    assert Path(f"/proc/{record.pid}/cmdline").read_bytes() == b"sleep\x00100\x00"


def test_the_limits_hold(foreign: ForeignHost) -> None:
    hog = foreign.run("sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done", memory_bytes=16 << 20)
    ended = foreign.ended(hog.id)
    assert ended.oom_killed and ended.exit_code == 137
    bomb = foreign.run("sh", "-c", "for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 30 & done; echo all", pids_limit=10)
    assert foreign.ended(bomb.id).exit_code != 0 and b"all" not in foreign.log(bomb.id)
    busy = foreign.run("sh", "-c", "while :; do :; done", cpus=0.25)
    began = time.monotonic()
    first = foreign.engine.sample()[1][busy.id].cpu_seconds
    time.sleep(1.0)
    used = foreign.engine.sample()[1][busy.id].cpu_seconds - first
    assert 0.01 < used < 0.45 * (time.monotonic() - began)


def test_two_talk_a_published_port_answers_and_figures_are_told(foreign: ForeignHost) -> None:
    port = free_port()
    server = foreign.run(
        "sh", "-c", "while :; do echo hello | nc -l -p 8080; done", ports=(PortMapping(container=8080, host=port),)
    )
    client = foreign.run(
        "sh", "-c", f"for i in $(seq 300); do nc -w 2 {server.ip_address} 8080 && exit 0; sleep 0.1; done"
    )
    assert foreign.ended(client.id).exit_code == 0
    assert foreign.log(client.id, "stdout") == b"hello\n"

    def answers() -> bool:
        try:
            with socket.create_connection(("127.0.0.1", port), 30) as connection:
                return connection.recv(16) == b"hello\n"
        except OSError:
            return False

    eventually(answers, what="the published port")
    sample = foreign.engine.sample()[1][server.id]
    assert sample.pids >= 1 and sample.memory_bytes > 0
    with pytest.raises(Conflict, match="stop it first"):
        foreign.engine.container_remove(server.id)


def test_policies_restart_it_and_it_keeps_its_files(foreign: ForeignHost) -> None:
    record = foreign.run("sh", "-c", "echo x >> /count; cat /count; exit 4", restart="on-failure", restart_limit=2)
    ended = foreign.ended(record.id)
    assert (ended.exit_code, ended.restart_count, ended.run) == (4, 2, 3)
    assert foreign.log(record.id) == b"x\n" + b"x\nx\n" + b"x\nx\nx\n"
    assert foreign.engine.container_restart(record.id, 0).run >= 4


def test_killed_watchers_lose_no_exit_code(foreign: ForeignHost) -> None:
    for victims in (("monitor",), ("launcher",), ("monitor", "launcher")):
        record = foreign.run("sh", "-c", "echo begin; while [ ! -e /go ]; do sleep 0.02; done; echo end; exit 6")
        foreign.says(record.id, b"begin")
        run = json.loads((foreign.home.config.containers / record.id / "run.json").read_bytes())
        pids = {"monitor": run["monitor_pid"], "launcher": foreign.engine.runtime.ensure_launcher()}
        for victim in victims:
            os.kill(pids[victim], signal.SIGKILL)
        foreign.engine.runtime.ensure_launcher()
        foreign.engine.container_exec(record.id, ExecSpec(args=("touch", "/go")))
        ended = foreign.ended(record.id)
        codes = (6, 255) if len(victims) > 1 else (6,)  # 255: lost, where the kernel can't tell a stranger of it
        assert ended.exit_code in codes and foreign.log(record.id) == b"begin\nend\n", victims
        assert foreign.is_clean(record.id)


def test_what_is_not_installed_is_refused_before_anything_is_made(foreign: ForeignHost) -> None:
    with pytest.raises(InvalidArgument, match=r"'youki' is not installed on this host, which has portside, crun"):
        foreign.engine.container_create(foreign.spec("true", runtime="youki"))
    assert all(record.spec.runtime != "youki" for record in foreign.engine.container_list())


def test_a_runtime_that_was_taken_away_is_named_and_what_it_left_can_be_removed(foreign: ForeignHost) -> None:
    running, resting = foreign.run("sleep", "100"), foreign.spec("true", runtime=foreign.runtime)
    foreign.engine.container_create(resting)
    away = foreign.wrapper.rename(foreign.wrapper.with_name("away"))
    try:
        with pytest.raises(InvalidArgument, match=f"{foreign.runtime} can't be used: .*No such file"):
            foreign.engine.container_start(resting.id)
        foreign.engine.container_remove(running.id, force=True)
        assert foreign.is_clean(running.id) and running.id not in foreign.states()
    finally:
        away.rename(foreign.wrapper)


@any_runtime
def test_it_has_an_input_that_outlives_its_writers_and_ends_when_told(foreign: ForeignHost) -> None:
    record = foreign.run("cat", stdin_open=True, stdin_once=True, user="app")
    for text in (b"one\n", b"two\n"):
        attached = foreign.engine.container_attach(record.id)
        os.write(attached.stdin or -1, text)
        foreign.says(record.id, text)
        attached.close()
    attached = foreign.engine.container_attach(record.id)
    attached.close_stdin()
    assert foreign.ended(record.id).exit_code == 0
    assert foreign.log(record.id) == b"one\ntwo\n"
