"""A container whose root is nobody on the host."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.runtime import rootfs
from tests.engine.runtime.box import make_image
from tests.engine.runtime.oci.bundles import Bundle

pytestmark = pytest.mark.root

FIRST = 700_000


@pytest.fixture
def mapped(bundle: Bundle) -> Bundle:
    bundle.linux["namespaces"].append({"type": "user"})
    bundle.linux["uidMappings"] = [{"containerID": 0, "hostID": FIRST, "size": 65536}]
    bundle.linux["gidMappings"] = [{"containerID": 0, "hostID": FIRST + 100_000, "size": 65536}]
    return bundle


def test_its_root_is_another_user_outside(mapped: Bundle) -> None:
    mapped.args("/bin/sleep", "100").start()
    lines = dict(line.split(":\t", 1) for line in Path(f"/proc/{mapped.pid()}/status").read_text().splitlines()
                 if ":\t" in line)  # fmt: skip
    assert (lines["Uid"].split()[0], lines["Gid"].split()[0]) == (str(FIRST), str(FIRST + 100_000))
    inside = mapped.succeed("exec", mapped.id, "/bin/sh", "-c", "id -u; cat /proc/self/uid_map")
    assert inside.split() == ["0", "0", str(FIRST), "65536"]


def test_everything_else_works_in_it(mapped: Bundle) -> None:
    mapped.process["oomScoreAdj"] = 100
    mapped.process["rlimits"] = [{"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200}]
    mapped.linux["sysctl"] = {"net.ipv4.ip_unprivileged_port_start": "0"}
    out = mapped.sh("busybox stat -c %u:%g /dev/mqueue;"
                    " echo x >/dev/null; busybox head -c 1 /dev/zero >/dev/null; busybox ls /sys/fs/cgroup >/dev/null;"
                    " cat /proc/self/oom_score_adj; ulimit -n; busybox hostname; busybox touch /dev/shm/x")  # fmt: skip
    assert out.split() == ["0:0", "100", "100", "portside"]


def test_new_namespaces_belong_to_it(mapped: Bundle) -> None:
    mapped.process["capabilities"]["bounding"] += ["CAP_NET_ADMIN"]
    for name in ("permitted", "effective"):
        mapped.process["capabilities"][name] = mapped.process["capabilities"]["bounding"]
    mapped.sh("busybox ip link set lo mtu 1400")


def test_a_directory_is_mapped_into_it(mapped: Bundle) -> None:
    data = mapped.directory / "data"
    data.mkdir()
    (data / "file").write_text("x")
    mount = {"destination": "/tmp", "type": "bind", "source": "data", "options": ["bind", "idmap"]}
    mapped.config["mounts"].append(mount)
    assert mapped.sh("busybox stat -c '%u %g' /tmp/file; busybox touch /tmp/new").split() == ["0", "0"]
    assert (os.stat(data / "new").st_uid, os.stat(data / "new").st_gid) == (0, 0)


def test_devices_have_the_mode_and_owner_that_were_asked_for(mapped: Bundle) -> None:
    mapped.linux["devices"] = [
        {"path": "/dev/foo", "type": "b", "major": 1, "minor": 5, "uid": 10, "gid": 11, "fileMode": 0o157},
        {"path": "/dev/zero2", "type": "c", "major": 1, "minor": 5},
    ]
    out = mapped.sh("busybox stat -c '%a %u %g %F' /dev/foo; busybox head -c 3 /dev/zero2 | busybox wc -c")
    assert out.splitlines() == ["157 10 11 block special file", "3"]


def test_devices_are_bound_where_there_is_no_dev_of_its_own(mapped: Bundle, tmp_path: Path) -> None:
    image = make_image(tmp_path / "image-of-its-own")
    mapped.config["root"]["path"] = str(image)
    mapped.config["mounts"] = [each for each in mapped.config["mounts"] if each["destination"] != "/dev"]
    for path in ("pts", "shm", "mqueue"):
        (image / "dev" / path).mkdir(parents=True, exist_ok=True)
    for name in ("null", "zero", "full", "random", "urandom", "tty", "new"):
        (image / "dev" / name).touch()
    for name, aim in rootfs.LINKS:
        (image / "dev" / name).symlink_to(aim)
    mapped.linux["devices"] = [{"path": "/dev/new", "type": "c", "major": 1, "minor": 5, "uid": 10}]
    out = mapped.sh(
        "busybox grep -c ' /dev/[a-z0-9]* .*nosuid,noexec' /proc/self/mountinfo; busybox stat -c %u /dev/new"
    )
    count, owner = map(int, out.split())
    assert count >= 7 and owner == 10


def test_it_can_be_joined_by_path(bundle: Bundle, mapped: Bundle) -> None:
    other = Bundle(bundle.directory / "other", bundle.image)
    other.directory.mkdir()
    other.config["linux"]["namespaces"] = [*mapped.linux["namespaces"]]
    other.linux.update(uidMappings=mapped.linux["uidMappings"], gidMappings=mapped.linux["gidMappings"])
    other.args("/bin/sleep", "100").start()
    try:
        joined = Bundle(bundle.directory, bundle.image)
        paths = {"user": "user", "network": "net", "ipc": "ipc"}
        joined.linux["namespaces"] = [
            *({"type": kind} for kind in ("mount", "uts", "pid")),
            *({"type": kind, "path": f"/proc/{other.pid()}/ns/{file}"} for kind, file in paths.items()),
        ]
        mount = {"destination": "/tmp", "type": "bind", "source": str(other.directory), "options": ["bind", "idmap"]}
        joined.config["mounts"].append(mount)
        script = (
            "id -u; busybox stat -c %u /tmp; busybox readlink /proc/self/ns/user; busybox readlink /proc/self/ns/net"
        )
        found = joined.sh(script).split()
        assert found == ["0", "0", *(os.readlink(f"/proc/{other.pid()}/ns/{name}") for name in ("user", "net"))]
    finally:
        other.remove()


def test_a_terminal_works_in_it(mapped: Bundle) -> None:
    import socket

    path = mapped.directory / "console.sock"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(path))
        listener.listen(1)
        mapped.process["terminal"] = True
        mapped.args("/bin/sh", "-c", "busybox tty").create("--console-socket", str(path))
        connection, _ = listener.accept()
        with connection:
            _, (master,), _, _ = socket.recv_fds(connection, 4096, 1)
    mapped.succeed("start", mapped.id)
    assert os.read(master, 4096).decode().strip() == "/dev/pts/0"
    os.close(master)
