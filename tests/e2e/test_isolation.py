"""What a container sees of the machine, asked from inside."""

import json
import os
import socket as sockets
from pathlib import Path

import pytest

from tests.support.portside import Portside
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

# CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE SYS_CHROOT SETFCAP, and no other
PODMANS_ELEVEN = 0x800405FB


@pytest.fixture
def inside(portside: Portside, tiny_image: str):
    """Run a shell script in a container; its output."""

    def run(script: str, **more: object) -> str:
        container = portside.rest.run(tiny_image, "sh", "-c", script, **more)
        portside.rest.wait_status(container["id"], "stopped")
        return portside.rest.logs(container["id"])

    return run


def test_a_container_has_its_own_namespaces(inside) -> None:
    text = inside(
        "for n in mnt uts ipc pid net cgroup; do readlink /proc/self/ns/$n; done;"
        "echo $$; hostname; ls /proc | grep -c '^[0-9]'"
    )
    *namespaces, pid, hostname, processes = text.split()
    ours = {os.readlink(f"/proc/self/ns/{name}") for name in ("mnt", "uts", "ipc", "pid", "net", "cgroup")}
    assert len(namespaces) == 6
    assert not set(namespaces) & ours
    assert pid == "1"
    assert hostname != sockets.gethostname()
    assert int(processes) <= 4, "it sees processes that aren't its own"


def test_privileges_are_dockers_or_fewer(inside) -> None:
    status = dict(line.split(":\t", 1) for line in inside("cat /proc/self/status").splitlines() if ":\t" in line)
    for name in ("CapEff", "CapPrm", "CapBnd"):
        assert int(status[name], 16) & ~PODMANS_ELEVEN == 0, f"{name} {status[name]}"
    assert int(status["CapAmb"], 16) == 0
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"


def test_kernel_interfaces_are_masked_or_read_only(inside) -> None:
    text = inside(
        "cat /proc/kcore 2>/dev/null | wc -c; ls /proc/acpi /sys/firmware 2>/dev/null | grep -v : | wc -w;"
        "for f in /proc/sysrq-trigger /proc/sys/kernel/domainname /proc/irq/0 /sys/kernel/x /sys/fs/cgroup/x; do"
        " (echo x > $f) 2>/dev/null && echo WROTE $f; done; echo done"
    )
    first, second, *rest = text.split("\n")
    assert int(first) == 0
    assert int(second) == 0
    assert rest[0] == "done"


def test_forbidden_system_calls_are_refused(inside) -> None:
    text = inside(
        "mount -t tmpfs none /mnt 2>/dev/null && echo MOUNTED; mknod /tmp/sda b 8 0 2>/dev/null && echo MADE;"
        "unshare -U true 2>/dev/null && echo UNSHARED; unshare -m true 2>/dev/null && echo UNSHARED;"
        "hostname other 2>/dev/null && echo RENAMED;"
        "date -s 2000-01-01 >/dev/null 2>&1; [ $(date +%Y) = 2000 ] && echo TIMED;"
        "chroot / true && echo chroot is allowed; dmesg 2>/dev/null | head -c 1"
    )
    assert text == "chroot is allowed\n"


def test_nothing_that_is_written_inside_reaches_the_host(inside) -> None:
    marker = f"portside-{os.getpid()}"
    assert inside(f"echo x > /tmp/{marker}; echo x > /etc/{marker}; echo x > /dev/shm/{marker}; ls /tmp").split() == [
        marker
    ]
    assert not any(Path(base, marker).exists() for base in ("/tmp", "/etc", "/dev/shm"))


def test_devices_are_the_harmless_ones(inside) -> None:
    names = set(inside("ls /dev").split())
    assert {"null", "zero", "full", "random", "urandom", "tty", "pts", "shm", "fd", "stdin", "stdout"} <= names
    assert not names & {"vda", "sda", "mem", "kmsg", "kvm", "loop0", "fuse", "disk"}
    assert inside("head -c 4 /dev/zero | wc -c; echo x > /dev/null && echo ok").split() == ["4", "ok"]


def test_no_descriptor_of_ours_leaks_in(inside) -> None:
    assert inside("ls /proc/self/fd").split() == ["0", "1", "2", "3"]  # 3 is ls's own


def test_limits_of_memory_processes_and_processor_are_the_kernels(portside: Portside, tiny_image: str) -> None:
    container = portside.rest.run(tiny_image, "sleep", "300", memory_bytes=32 << 20, cpus=0.5, pids_limit=50)
    values = {}
    for cgroup in portside.home.container_cgroups():
        for name in (
            "memory.limit_in_bytes",
            "memory.max",
            "pids.max",
            "cpu.cfs_quota_us",
            "cpu.cfs_period_us",
            "cpu.max",
        ):
            if container["id"] in cgroup and (path := Path(cgroup, name)).exists():
                values[name] = path.read_text().strip()
    assert str(32 << 20) in (values.get("memory.limit_in_bytes"), values.get("memory.max")), values
    assert values["pids.max"] == "50"
    quota, period = (values["cpu.max"].split() if "cpu.max" in values
                     else (values["cpu.cfs_quota_us"], values["cpu.cfs_period_us"]))  # fmt: skip
    assert int(quota) / int(period) == 0.5


def test_a_memory_hog_is_killed_and_reported_as_out_of_memory(portside: Portside, tiny_image: str) -> None:
    container = portside.rest.run(
        tiny_image, "sh", "-c", "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo survived", memory_bytes=24 << 20
    )
    ended = portside.rest.wait_status(container["id"], "stopped")
    assert ended["oom_killed"] is True
    assert ended["exit_code"] == 137
    assert "survived" not in portside.rest.logs(container["id"])


def test_a_fork_bomb_stops_at_its_limit(inside) -> None:
    text = inside("for i in $(seq 60); do sleep 60 & done 2>&1; wait; echo end", pids_limit=20)
    assert "can't fork" in text or "Resource temporarily unavailable" in text


def test_two_containers_talk_over_the_bridge_and_a_published_port_answers(portside: Portside, tiny_image: str) -> None:
    rest = portside.rest
    server = rest.run(
        tiny_image, "sh", "-c", "mkdir /www; echo served > /www/index.html; exec httpd -f -p 80 -h /www",
        ports=[{"container": 80}],
    )  # fmt: skip
    assert server["ip_address"]
    client = rest.run(
        tiny_image,
        "sh",
        "-c",
        f"until wget -q -O - http://{server['ip_address']}/; do sleep 0.1; done; ip -o link | wc -l",
    )
    rest.wait_status(client["id"], "stopped")
    assert rest.logs(client["id"], "?stream=stdout").split() == ["served", "2"], "loopback and eth0, no more"
    (port,) = server["ports"]
    assert port["host"] > 0

    def answer() -> bool:
        with sockets.create_connection(("127.0.0.1", port["host"]), timeout=60) as connection:
            connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return b"served" in b"".join(iter(lambda: connection.recv(4096), b""))

    assert eventually(answer, what="the published port's answer")
    rest.remove(server["id"])
    with pytest.raises(OSError):
        sockets.create_connection(("127.0.0.1", port["host"]), timeout=1).close()


def test_a_container_knows_its_own_name_and_resolver(inside) -> None:
    text = inside("cat /etc/hosts; echo --; cat /etc/resolv.conf; echo --; cat /etc/hostname", hostname="box")
    hosts, resolver, name = text.split("--\n")
    assert any(line.split()[0].count(".") == 3 and "box" in line.split() for line in hosts.splitlines() if line.strip())
    assert "localhost" in hosts
    assert "nameserver" in resolver
    assert name == "box\n"


def test_the_masked_paths_are_not_merely_empty_for_root(inside) -> None:
    assert json.loads(inside("test -r /proc/timer_list && cat /proc/timer_list | wc -c || echo 0")) == 0


def test_a_container_is_in_the_network_of_another_by_its_name(portside: Portside, tiny_image: str) -> None:
    rest = portside.rest
    donor = rest.run(tiny_image, "sh", "-c", "readlink /proc/self/ns/net; exec sleep 1000", name="donor")
    rest.wait_status(donor["id"], "running")
    joiner = rest.run(
        tiny_image,
        "sh",
        "-c",
        "readlink /proc/self/ns/net; echo $HERE",
        network="container:donor",
        env_file="HERE=yes\n",
    )
    rest.wait_status(joiner["id"], "stopped")
    eventually(lambda: rest.logs(donor["id"]), seconds=60, what="the name of its network")
    assert rest.logs(joiner["id"]).split() == [rest.logs(donor["id"]).strip(), "yes"]
    assert rest.get(f"/api/v1/containers/{joiner['id']}/").json["loosened"] == [
        f"network of container {donor['id'][:12]}"
    ]
