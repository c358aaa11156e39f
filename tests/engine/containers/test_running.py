"""Real containers on the real kernel: what runs, how it ends, and that nothing is left."""

from __future__ import annotations

import signal
import socket
import stat
import statistics
import subprocess
import time
from typing import Any

import pytest

from engine.containers import stopping
from engine.containers.record import ContainerRecord
from engine.containers.spec import PortMapping
from engine.errors import AlreadyExists, Conflict, EngineError, InvalidArgument, NotFound
from tests.support.engine import Host, timed
from tests.support.processes import eventually, free_port

pytestmark = [pytest.mark.root, pytest.mark.registry]


def test_a_container_runs_to_its_exit_with_log_and_code(host: Host) -> None:
    record = host.run("sh", "-c", "echo out; echo err >&2; exit 3")
    ended = host.ended(record.id)
    assert (ended.status, ended.exit_code, ended.error, ended.oom_killed) == ("stopped", 3, None, False)
    assert ended.finished_at is not None and ended.started_at is not None
    assert host.log(record.id, "stdout") == b"out\n"
    assert host.log(record.id, "stderr") == b"err\n"
    assert host.events(record.id) == ["created", "started", "died"]
    assert host.is_clean(record.id)


def test_it_sees_its_own_name_address_and_settings(host: Host) -> None:
    record = host.run(
        "sh",
        "-c",
        'echo "$(hostname) $(id -u) $PWD $COLOUR $HOME"; cat /etc/hosts; hostname -i; readlink /proc/self/fd/0',
        hostname="web",
        user="app",
        workdir="/tmp",
        env={"COLOUR": "blue"},
    )
    assert host.ended(record.id).exit_code == 0
    lines = host.log(record.id).decode().splitlines()
    assert lines[0] == "web 1000 /tmp blue /home/app"
    assert f"{record.ip_address}\tweb" in lines
    assert lines[-2:] == [record.ip_address, "/dev/null"]


def test_nobody_on_the_host_comes_near_what_a_container_made(host: Host) -> None:
    """Its own /etc/hosts is a file of the host: with the set-user-id bit it would make every user root."""
    host.home.path.chmod(0o755)
    record = host.run(
        "sh", "-c", "cp /bin/busybox /etc/hosts; chmod 6755 /etc/hosts; cp -p /etc/hosts /tmp/x; sleep 60"
    )
    files = [host.engine.config.containers / record.id / "hosts"]
    eventually(lambda: files[0].stat().st_mode & stat.S_ISUID, what="the set-user-id bit")
    files += eventually(lambda: list(host.engine.config.snapshots.glob("*/fs/tmp/x")), what="its file")
    for file in files:
        with pytest.raises(PermissionError):
            subprocess.run([file, "id"], user=65534, group=65534, extra_groups=[], check=True)


def test_a_command_longer_than_any_message_is_told_as_what_it_is(host: Host) -> None:
    fits = host.run("true", env={f"A{number}": "x" * 100_000 for number in range(8)})
    assert host.ended(fits.id).exit_code == 0
    with pytest.raises(InvalidArgument, match="too long") as caught:
        host.run("true", env={f"A{number}": "x" * 100_000 for number in range(20)})
    assert caught.value.detail["exit_code"] == 126


def test_no_signal_is_ignored_or_blocked(host: Host) -> None:
    record = host.run("grep", "-E", "^Sig(Ign|Blk)", "/proc/self/status")
    host.ended(record.id)
    assert host.log(record.id).split() == [b"SigBlk:", b"0" * 16, b"SigIgn:", b"0" * 16]


@pytest.mark.parametrize(
    ("command", "code"), [("/no/such/thing", 127), ("nosuchcommand", 127), ("/etc/not-executable", 126), ("/etc", 126)]
)
def test_a_command_that_cannot_run_is_told_with_the_shells_code(host: Host, command: str, code: int) -> None:
    spec = host.spec(command)
    host.engine.container_create(spec)
    with pytest.raises(EngineError) as caught:
        host.engine.container_start(spec.id)
    assert caught.value.detail["exit_code"] == code and command in caught.value.message
    record = host.engine.container_get(spec.id)
    assert (record.status, record.exit_code, record.error) == ("created", code, caught.value.message)
    assert host.events(spec.id) == ["created", "died"]
    assert host.is_clean(spec.id)


def test_stop_asks_first_and_kills_when_the_grace_is_over(host: Host) -> None:
    polite = host.run("sh", "-c", "trap 'echo bye; exit 5' TERM; echo ready; while :; do sleep 0.05; done")
    stubborn = host.run("sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done")
    host.says(polite.id, b"ready")
    host.says(stubborn.id, b"ready")
    stopped = host.engine.container_stop(polite.id, 10)
    assert (stopped.status, stopped.desired, stopped.exit_code) == ("stopped", "stopped", 5)
    assert host.log(polite.id) == b"ready\nbye\n"
    began = time.monotonic()
    assert host.engine.container_stop(stubborn.id, 0.3).exit_code == 128 + signal.SIGKILL
    assert time.monotonic() - began >= 0.3
    assert host.is_clean()


def test_kill_sends_the_signal_that_is_named(host: Host) -> None:
    record = host.run("sh", "-c", "trap 'echo hup' HUP; echo ready; while :; do sleep 0.05; done")
    host.says(record.id, b"ready")
    assert host.engine.container_kill(record.id, "HUP").status == "running"
    host.says(record.id, b"hup")
    assert host.engine.container_kill(record.id).exit_code == 137


def test_pause_holds_it_still_and_stop_works_on_it(host: Host) -> None:
    record = host.run("sh", "-c", "trap 'exit 0' TERM; while :; do echo tick; sleep 0.02; done")
    host.says(record.id, b"tick")
    assert host.engine.container_pause(record.id).status == "paused"
    before = host.silent(record.id)
    assert host.engine.container_unpause(record.id).status == "running"
    eventually(lambda: len(host.log(record.id)) > len(before), what="more of the log")
    host.engine.container_pause(record.id)
    assert host.engine.container_stop(record.id, 5).exit_code == 0


def test_the_memory_limit_kills_the_hog_and_says_so(host: Host) -> None:
    record = host.run("sh", "-c", "x=0123456789abcdef; while :; do x=$x$x; done", memory_bytes=16 << 20)
    ended = host.ended(record.id)
    assert ended.oom_killed and ended.exit_code == 137
    assert host.is_clean(record.id)


def test_a_container_can_be_started_again_and_keeps_files_log_and_address(host: Host) -> None:
    record = host.run("sh", "-c", "echo x >> /count; cat /count")
    assert host.ended(record.id).exit_code == 0
    again = host.engine.container_start(record.id)
    assert (again.run, again.ip_address) == (2, record.ip_address)
    host.ended(record.id)
    assert host.log(record.id) == b"x\n" + b"x\nx\n"
    third = host.engine.container_restart(record.id, 0)
    assert third.run == 3


def test_two_containers_talk_and_a_published_port_answers(host: Host) -> None:
    port = free_port()
    server = host.run(
        "sh", "-c", "while :; do echo hello | nc -l -p 8080; done", ports=(PortMapping(container=8080, host=port),)
    )
    assert [(p.container, p.host) for p in server.ports] == [(8080, port)]
    client = host.run(
        "sh", "-c", f"for i in $(seq 300); do nc -w 2 {server.ip_address} 8080 && exit 0; sleep 0.1; done"
    )
    assert host.ended(client.id).exit_code == 0
    assert host.log(client.id, "stdout") == b"hello\n"

    def answers() -> bool:
        with socket.create_connection(("127.0.0.1", port), 30) as connection:
            return connection.recv(16) == b"hello\n"

    def answers_in_the_end() -> bool:
        try:
            return answers()
        except OSError:
            return False

    eventually(answers_in_the_end, what="the published port")
    other = host.spec("sleep", "1", ports=(PortMapping(container=80, host=port),))
    host.engine.container_create(other)
    with pytest.raises(Conflict, match=str(port)):
        host.engine.container_start(other.id)
    host.engine.container_remove(server.id, force=True)
    assert host.is_clean()
    assert host.engine.container_start(other.id).ports[0].host == port


def test_remove_leaves_nothing(host: Host) -> None:
    record = host.run("sleep", "100", ports=(PortMapping(container=80),), memory_bytes=32 << 20)
    assert host.home.veths() and host.home.container_cgroups() and host.home.nft_elements()
    assert not host.home.mounts(), "the host's mount table shows a container's root"
    with pytest.raises(Conflict, match="stop it first"):
        host.engine.container_remove(record.id)
    host.engine.container_remove(record.id, force=True)
    assert host.is_clean()
    assert list(host.home.config.containers.iterdir()) == []
    addresses = host.engine.store.connection().execute("SELECT count(*) FROM network_address").fetchone()[0]
    snapshots = host.engine.store.connection().execute("SELECT count(*) FROM snapshot WHERE key IS NOT NULL")
    assert (addresses, snapshots.fetchone()[0]) == (0, 0)
    assert host.events(record.id) == ["created", "started", "killed", "died", "removed"]


def test_on_failure_restarts_up_to_its_limit(host: Host) -> None:
    record = host.run("sh", "-c", "echo run; exit 4", restart="on-failure", restart_limit=2)
    ended = host.ended(record.id)
    assert (ended.exit_code, ended.restart_count, ended.run) == (4, 2, 3)
    assert host.log(record.id) == b"run\n" * 3
    assert host.events(record.id) == ["created", *["started", "died", "restarting"] * 2, "started", "died"]
    ends = sorted(path.name for path in (host.engine.config.containers / record.id).glob("exit.*"))
    assert ends == ["exit.2", "exit.3"]  # not one for each run that ever was


def test_always_restarts_until_it_is_stopped(host: Host) -> None:
    record = host.run("sh", "-c", "exit 0", restart="always")
    eventually(lambda: host.engine.container_get(record.id).restart_count >= 2, what="two restarts")
    stopped = host.engine.container_stop(record.id, 1)
    assert (stopped.status, stopped.desired) == ("stopped", "stopped")
    time.sleep(1.2)
    assert host.engine.container_get(record.id).status == "stopped"
    assert host.is_clean(record.id)


def test_a_name_is_taken_once_even_by_many_at_a_time(host: Host) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def attempt(_: int) -> bool:
        try:
            host.engine.container_create(host.spec("true", name="web"))
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [False] * 7 + [True]
    assert len(host.engine.container_list()) == len(list(host.home.config.containers.iterdir())) == 1


def test_many_start_at_a_time_and_each_says_its_own(host: Host) -> None:
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        records = list(pool.map(lambda n: host.run("sh", "-c", f"echo {n}; exit {n}"), range(16)))
    for number, record in enumerate(records):
        assert host.ended(record.id).exit_code == number
        assert host.log(record.id) == f"{number}\n".encode()
    assert host.is_clean()


def test_how_long_a_start_takes(host: Host, record_property: pytest.RecordProperty) -> None:
    creates, starts, stops, removes = [], [], [], []
    for _ in range(12):
        spec = host.spec("sleep", "100")
        creates.append(timed(lambda spec=spec: host.engine.container_create(spec)))
        starts.append(timed(lambda spec=spec: host.engine.container_start(spec.id)))
        stops.append(timed(lambda spec=spec: host.engine.container_stop(spec.id, 0)))
        removes.append(timed(lambda spec=spec: host.engine.container_remove(spec.id)))
    for name, values in (("create", creates), ("start", starts), ("stop", stops), ("remove", removes)):
        print(f"{name}: median {statistics.median(values):.1f} ms, min {min(values):.1f} ms")


def test_a_forced_removal_is_not_overtaken_by_an_end(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    record = host.run("sleep", "300")
    kill = stopping.kill

    def overtaken(*arguments: Any) -> ContainerRecord:
        monkeypatch.setattr(stopping, "kill", kill)
        raise Conflict("it is restarting", {"status": "restarting", "verb": "kill"})

    monkeypatch.setattr(stopping, "kill", overtaken)
    host.engine.container_remove(record.id, force=True)
    with pytest.raises(NotFound):
        host.engine.container_get(record.id)
