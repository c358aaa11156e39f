"""Namespaces that are the host's or another container's, seen from inside of real containers."""

from __future__ import annotations

import json
import os

import pytest

from engine.containers.record import ContainerRecord
from engine.containers.spec import PortMapping
from engine.errors import Conflict, InvalidArgument, NotFound, Unavailable
from engine.runtime.execs import ExecSpec
from engine.runtime.ids import BLOCK
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


@pytest.fixture
def host(tidy_host: Host) -> Host:
    return tidy_host


KINDS = ("net", "pid", "ipc", "uts", "cgroup", "user")
SEE = "; ".join(f"readlink /proc/self/ns/{kind}" for kind in KINDS)
WAIT = ("sh", "-c", "echo on; exec sleep 1000")


def outside(pid: int | str, kinds: tuple[str, ...] = KINDS) -> dict[str, str]:
    return {kind: os.readlink(f"/proc/{pid}/ns/{kind}") for kind in kinds}


def waiting(host: Host, **options: object) -> ContainerRecord:
    record = host.run(*WAIT, **options)
    host.says(record.id, b"on\n")
    return host.engine.container_get(record.id)


def printed(host: Host, script: str, **options: object) -> list[str]:
    """The lines that a container prints, which then ends well."""
    record = host.run("sh", "-c", script, **options)
    assert host.ended(record.id).exit_code == 0, host.log(record.id)
    return host.log(record.id).decode().splitlines()


MODES: list[tuple[dict[str, str], set[str]]] = [
    ({"network": "none", "ipc": "none"}, set()),
    ({"ipc": "shareable", "network": "default"}, set()),
    ({"uts": "host"}, {"uts"}),
    ({"cgroupns": "host"}, {"cgroup"}),
    ({"network": "host"}, {"net", "user"}),
    ({"pid": "host"}, {"pid", "user"}),
    ({"ipc": "host"}, {"ipc", "user"}),
    ({"network": "host", "pid": "host", "ipc": "host", "uts": "host", "cgroupns": "host"}, set(KINDS)),
]


def test_a_container_shares_what_it_asks_for_and_nothing_else(host: Host) -> None:
    for options, shared in MODES:
        record = waiting(host, **options)
        assert record.pid is not None
        ours, its = outside("self"), outside(record.pid)
        assert {kind for kind in KINDS if ours[kind] == its[kind]} == shared
        assert record.userns == ("host" if "user" in shared else "auto")
        assert (record.ip_address is None) == (options.get("network") in ("host", "none"))


def test_the_hosts_network_has_its_links_and_names(host: Host) -> None:
    script = "hostname; cat /etc/hosts; ls /sys/class/net; cat /proc/sys/net/ipv4/ip_unprivileged_port_start"
    lines = printed(host, script, network="host", extra_hosts=("db:10.1.2.3",))
    assert lines[0] == os.uname().nodename
    assert "10.1.2.3\tdb" in lines
    links = set(os.listdir("/sys/class/net"))
    assert "lo" in links & set(lines)
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as file:
        assert lines[-1] == file.read().strip(), "the host's own setting was changed"
    assert printed(host, "hostname", network="host", hostname="other") == ["other"]


def test_no_network_is_a_loopback_alone(host: Host) -> None:
    lines = printed(host, "ls /sys/class/net; nc 127.0.0.1 1 2>&1 || echo refused", network="none")
    assert lines[0] == "lo"
    assert lines[-1] == "refused"
    assert "eth0" not in lines


def test_the_hosts_name_is_seen_and_can_not_be_changed(host: Host) -> None:
    lines = printed(host, "hostname; echo $HOSTNAME; hostname changed 2>/dev/null || echo refused", uts="host")
    assert lines == [os.uname().nodename, os.uname().nodename, "refused"]


def test_processes_of_the_host_are_seen_and_what_is_left_of_ones_own_is_ended(host: Host) -> None:
    script = "sleep 1000 & echo $! >&2; ls -d /proc/$0 && exit 7"
    record = host.run("sh", "-c", script, str(os.getpid()), pid="host")
    assert host.ended(record.id).exit_code == 7
    assert host.log(record.id, "stdout") == f"/proc/{os.getpid()}\n".encode()
    left = int(host.log(record.id, "stderr"))
    eventually(lambda: not os.path.exists(f"/proc/{left}"), seconds=20, what="the end of its last process")


def test_ipc_is_none_the_hosts_or_anothers(host: Host) -> None:
    assert printed(host, "ls /dev/shm 2>/dev/null || echo none; ls -d /dev/mqueue", ipc="none") == [
        "none", "/dev/mqueue",
    ]  # fmt: skip
    seen = f"/dev/shm/portside-test-{os.getpid()}"
    with open(seen, "x"):
        pass
    try:
        assert printed(host, f"ls {seen}", ipc="host") == [seen]
    finally:
        os.unlink(seen)
    donor = waiting(host, ipc="shareable", shm_size=1 << 20)
    joiner = printed(
        host,
        "echo there >/dev/shm/note; df -k /dev/shm | tail -1; stat -c %u /dev/shm/note; " + SEE,
        ipc=f"container:{donor.name}",
    )
    assert joiner[0].split()[1] == "1024"
    assert joiner[1] == "0"
    assert donor.pid is not None
    theirs = outside(donor.pid)
    assert [joiner[2:][KINDS.index(kind)] for kind in ("ipc", "user")] == [theirs["ipc"], theirs["user"]]
    assert joiner[2 + KINDS.index("net")] != theirs["net"]
    with open(f"/proc/{donor.pid}/root/dev/shm/note") as file:
        assert file.read() == "there\n"
    private = waiting(host)
    with pytest.raises(InvalidArgument, match="shareable"):
        host.engine.container_create(host.spec(ipc=f"container:{private.name}"))


def test_another_containers_network_is_shared_with_its_names_and_users(host: Host) -> None:
    donor = waiting(host, hostname="web", extra_hosts=("db:10.1.2.3",), dns=("9.9.9.9",))
    assert donor.pid is not None
    script = (
        "hostname; grep -cF '10.1.2.3' /etc/hosts; cat /etc/resolv.conf; ls /sys/class/net; cat /proc/self/uid_map; "
        "touch /made && stat -c %u /made; " + SEE
    )
    lines = printed(host, script, network=f"container:{donor.id[:12]}")
    theirs = outside(donor.pid)
    assert lines[:2] == ["web", "1"]
    assert "nameserver 9.9.9.9" in lines
    assert "eth0" in lines
    with open(f"/proc/{donor.pid}/uid_map") as file:
        assert file.read().split() in [line.split() for line in lines]
    seen = dict(zip(KINDS, lines[-len(KINDS) :], strict=True))
    assert {kind for kind in KINDS if seen[kind] == theirs[kind]} == {"net", "user"}
    third = waiting(host, network=f"container:{donor.name}")
    chained = printed(host, "hostname; " + SEE, network=f"container:{third.name}")
    assert (chained[0], chained[1 + KINDS.index("net")]) == ("web", theirs["net"])


def test_what_they_share_they_reach_and_an_exec_is_in_it_too(host: Host) -> None:
    server = host.run("sh", "-c", "nc -l -p 80 -e echo hello & echo on; wait", user="app")
    host.says(server.id, b"on\n")
    script = "until nc 127.0.0.1 80; do sleep 0.05; done"
    assert printed(host, script, network=f"container:{server.name}") == ["hello"]
    donor = waiting(host)
    joiner = waiting(host, network=f"container:{donor.name}", pid=f"container:{donor.name}")
    assert donor.pid is not None
    look = f"[ $(readlink /proc/self/ns/pid) = '{outside(donor.pid)['pid']}' ] && exit 9"
    made = host.engine.container_exec(joiner.id, ExecSpec(args=("sh", "-c", look)))
    status = host.engine.container_exec_wait(joiner.id, made.id, 20)
    assert status is not None
    assert status.code == 9


def test_another_containers_processes_are_seen_and_their_end_is_the_end_of_all(host: Host) -> None:
    donor = waiting(host)
    joiner = host.run("sh", "-c", "ps; echo on; exec sleep 1000", pid=f"container:{donor.name}")
    host.says(joiner.id, b"on\n")
    assert host.log(joiner.id).count(b"sleep 1000") >= 1
    host.engine.container_stop(donor.id, 0)
    assert host.ended(joiner.id).exit_code == 137
    with pytest.raises(Conflict, match=f"{donor.name}, which is stopped"):
        host.engine.container_start(joiner.id)
    host.engine.container_start(donor.id)
    host.engine.container_start(joiner.id)
    host.engine.container_remove(donor.id, force=True)
    host.ended(joiner.id)
    with pytest.raises(NotFound, match="gone"):
        host.engine.container_start(joiner.id)


def test_who_shares_a_network_lives_on_without_the_other_and_keeps_its_ids_from_others(host: Host) -> None:
    donor = waiting(host)
    joiner = waiting(host, network=f"container:{donor.name}")
    assert joiner.pid is not None
    with open(f"/proc/{joiner.pid}/uid_map") as file:
        ids = file.read()
    host.engine.container_remove(donor.id, force=True)
    assert host.engine.container_get(joiner.id).status == "running"
    for _ in range(BLOCK + 1):
        other = host.run("cat", "/proc/self/uid_map")
        host.ended(other.id)
        assert host.log(other.id).decode() != ids
        host.engine.container_remove(other.id)


def test_a_privileged_one_and_one_with_the_hosts_users_join_with_those(host: Host) -> None:
    donor = waiting(host)
    assert donor.pid is not None
    for options in ({"privileged": True}, {"userns": "host"}):
        lines = printed(host, SEE, network=f"container:{donor.name}", **options)
        assert lines[0] == outside(donor.pid)["net"]
        assert lines[KINDS.index("user")] == outside("self")["user"]
    loose = waiting(host, userns="host")
    joiner = waiting(host, network=f"container:{loose.name}")
    assert joiner.userns == "host"
    assert "no user ids of its own" in joiner.userns_problem
    with pytest.raises(Conflict, match="different user ids"):
        host.run("true", network=f"container:{donor.name}", pid=f"container:{waiting(host).name}")


def test_a_process_that_has_the_number_of_the_other_is_not_taken_for_it(host: Host) -> None:
    """The record of the other says another start time, as after a reuse of its number."""
    donor = waiting(host)
    spec = host.spec("true", network=f"container:{donor.name}")
    host.engine.container_create(spec)
    run = host.home.config.containers / donor.id / "run.json"
    content = run.read_text()
    told = json.loads(content)
    run.write_text(json.dumps({**told, "start_ticks": told["start_ticks"] - 1}))
    try:
        with pytest.raises(Unavailable, match="is not running"):
            host.engine.container_start(spec.id)
    finally:
        run.write_text(content)
    host.engine.container_start(spec.id)
    assert host.ended(spec.id).exit_code == 0


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"network": "front"}, "network"),
        ({"network": "container:"}, "network"),
        ({"network": "container:nobody"}, "network"),
        ({"pid": "shareable"}, "pid"),
        ({"uts": "container:x"}, "uts"),
        ({"network": "host", "sysctls": {"net.core.somaxconn": "1"}}, "sysctls"),
        ({"ipc": "host", "sysctls": {"kernel/msgmax": "1"}}, "sysctls"),
        ({"uts": "host", "hostname": "x"}, "hostname"),
        ({"network": "container:x", "hostname": "x"}, "hostname"),
        ({"network": "container:x", "dns": ("9.9.9.9",)}, "dns"),
        ({"network": "container:x", "extra_hosts": ("a:1.1.1.1",)}, "extra_hosts"),
        ({"network": "container:x", "ports": (PortMapping(container=80),)}, "ports"),
        ({"network": "container:x", "expose": ("80",)}, "expose"),
        ({"network": "host", "ports": (PortMapping(container=80),)}, "ports"),
        ({"network": "none", "publish_all": True}, "publish_all"),
        ({"network": "container:x", "runtime": "crun"}, "network"),
    ],
)
def test_what_does_not_go_together_is_refused(host: Host, options: dict[str, object], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        host.engine.container_create(host.spec("true", **options))
    assert caught.value.detail["field"] == field
