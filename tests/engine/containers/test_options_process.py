"""Options of `docker run` about the process and the names it sees, tried in real containers."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.errors import InvalidArgument, NotFound
from engine.facade import Engine
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


def test_an_init_buries_orphans_and_hands_signals_on(host: Host) -> None:
    script = "trap 'echo term; exit 7' TERM; (sleep 0.2 & :); echo $$ $(cat /proc/1/comm); while :; do sleep 0.05; done"
    record = host.run("sh", "-c", script, init=True, user="app")
    host.says(record.id, b"\n")
    assert host.log(record.id).split()[1] == b"init"
    assert int(host.log(record.id).split()[0]) != 1
    host.engine.container_stop(record.id)
    assert host.ended(record.id).exit_code == 7
    assert b"term" in host.log(record.id)


def test_an_init_leaves_no_zombie_and_tells_what_can_not_be_started(host: Host) -> None:
    orphan = "(sh -c 'exit 3' & echo $! >/tmp/pid)"
    buried = "while [ -e /proc/$(cat /tmp/pid) ]; do sleep 0.02; done"
    script = f"{orphan}; {buried}; grep -l 'State:.*Z' /proc/[0-9]*/status | wc -l"
    with_init = host.run("sh", "-c", script, init=True)
    assert host.ended(with_init.id).exit_code == 0
    assert host.log(with_init.id) == b"0\n"
    with pytest.raises(InvalidArgument, match="nosuch") as caught:
        host.run("nosuch", init=True)
    assert caught.value.detail["exit_code"] == 127


def test_names_servers_and_hosts_are_as_asked(host: Host) -> None:
    record = host.run(
        "sh",
        "-c",
        "cat /etc/hosts /etc/resolv.conf; hostname -f; cat /proc/sys/kernel/domainname",
        hostname="web",
        domainname="example.org",
        extra_hosts=("db:10.1.2.3", "six=[fd00::1]", "outside:host-gateway"),
        dns=("9.9.9.9",),
        dns_search=("example.org", "example.com"),
        dns_options=("ndots:2",),
    )
    host.ended(record.id)
    lines = host.log(record.id).decode().splitlines()
    gateway = record.ip_address.rpartition(".")[0] if record.ip_address else ""
    assert {"10.1.2.3\tdb", "fd00::1\tsix", f"{record.ip_address}\tweb.example.org web"} <= set(lines)
    assert any(line.startswith(gateway) and line.endswith("\toutside") for line in lines)
    assert [line for line in lines if line.startswith("nameserver")] == ["nameserver 9.9.9.9"]
    assert {"search example.org example.com", "options ndots:2"} <= set(lines)
    assert lines[-2:] == ["web.example.org", "example.org"]


def test_groups_limits_and_kernel_settings_hold_inside(host: Host) -> None:
    record = host.run(
        "sh",
        "-c",
        "id -G; ulimit -n; ulimit -H -n; cat /proc/sys/net/core/somaxconn /proc/sys/kernel/msgmax; "
        "df -k /dev/shm | tail -1; cat /proc/self/oom_score_adj",
        user="app",
        group_add=("root", "4321"),
        ulimits=("nofile=64:128", "core=0"),
        sysctls={"net.core.somaxconn": "77", "kernel/msgmax": "4096"},
        shm_size=1 << 20,
        oom_score_adj=500,
    )
    assert host.ended(record.id).exit_code == 0
    lines = host.log(record.id).decode().splitlines()
    assert {"0", "4321"} < set(lines[0].split())
    assert lines[1:5] == ["64", "128", "77", "4096"]
    assert lines[5].split()[1] == "1024"
    assert lines[6] == "500"


def test_settings_of_several_namespaces_go_with_one_another(host: Host) -> None:
    """Those of a network that no container in waiting has, and those that ask for the namespace's own root."""
    settings = {"net.ipv4.ip_unprivileged_port_start": "80", "fs.mqueue.msg_max": "20", "kernel.shm_rmid_forced": "1"}
    files = " ".join(f"/proc/sys/{name.replace('.', '/')}" for name in settings)
    record = host.run("sh", "-c", f"cat {files}", sysctls=settings)
    assert host.ended(record.id).exit_code == 0
    assert host.log(record.id).decode().split() == ["80", "20", "1"]


def test_a_stop_takes_the_signal_and_the_time_that_the_container_was_made_with(host: Host) -> None:
    listening = host.run("sh", "-c", "trap 'exit 9' INT; echo on; while :; do sleep 0.05; done", stop_signal="int")
    deaf = host.run("sh", "-c", "trap '' TERM; echo on; while :; do sleep 0.05; done", stop_timeout=0)
    for record in (listening, deaf):
        host.says(record.id, b"on")
    assert host.engine.container_stop(listening.id).exit_code == 9
    assert host.engine.container_stop(deaf.id).exit_code == 137


def test_what_is_to_be_removed_goes_when_it_ends_and_not_when_it_restarts(host: Host) -> None:
    short = host.run("true", auto_remove=True)
    stopped = host.run("sleep", "100", auto_remove=True)
    restarted = host.run("sleep", "100", auto_remove=True)
    host.engine.container_restart(restarted.id, 0)
    host.engine.container_stop(stopped.id, 0)
    assert not (host.home.config.containers / stopped.id).exists()
    for record, told in ((short, ["died", "removed"]), (stopped, ["died", "stopped", "removed"])):
        eventually(
            lambda record=record, told=told: host.events(record.id)[-len(told) :] == told, what=f"{record.name}'s end"
        )
        with pytest.raises(NotFound):
            host.engine.container_get(record.id)
    assert host.engine.container_get(restarted.id).status == "running"
    host.engine.container_remove(restarted.id, force=True)
    assert host.is_clean(short.id, stopped.id)


def test_the_name_of_what_is_to_be_removed_is_free_once_its_end_has_answered(host: Host) -> None:
    for end in (host.engine.container_kill, lambda name: host.engine.container_stop(name, 0)):
        for _ in range(5):
            host.run("sleep", "100", name="again", volumes=("/data",), auto_remove=True)
            end("again")
    assert host.engine.container_list() == []
    assert host.engine.volumes.list() == []
    assert host.is_clean()


def test_two_who_stop_what_is_to_be_removed_both_see_it_end(host: Host) -> None:
    """However long they would wait: the file that tells of the end goes with the container."""
    for _ in range(10):
        record = host.run("sh", "-c", "trap 'exit 3' TERM; echo on; while :; do sleep 0.01; done", auto_remove=True)
        host.says(record.id, b"on")
        with ThreadPoolExecutor(3) as pool:
            ends = [pool.submit(Engine(host.home.config).container_stop, record.id, -1) for _ in range(3)]
            for end in ends:
                with contextlib.suppress(NotFound):  # who comes when all is over
                    assert end.result(timeout=60).status == "stopped"
        assert host.events(record.id)[-3:] == ["died", "stopped", "removed"]
    assert host.is_clean()


def test_a_signal_whose_effect_nobody_waits_for_is_the_keepers_to_look_after(host: Host) -> None:
    record = host.run("sh", "-c", "trap 'exit 3' TERM; echo on; while :; do sleep 0.01; done", auto_remove=True)
    host.says(record.id, b"on")
    host.engine.container_kill(record.id, "TERM")
    eventually(lambda: host.events(record.id)[-1:] == ["removed"], what="its removal")


def test_what_could_not_be_started_stays_to_say_why(host: Host) -> None:
    spec = host.spec("nosuch", auto_remove=True)
    host.engine.container_create(spec)
    with pytest.raises(InvalidArgument):
        host.engine.container_start(spec.id)
    assert "nosuch" in (host.engine.container_get(spec.id).error or "")
