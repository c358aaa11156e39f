"""The host's whole tree, its /proc and /sys in a container, as agents that watch a host want; and what is hidden."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.errors import InvalidArgument, PermissionDenied
from engine.runtime import hiding, kernel
from engine.runtime.wire import Failure
from tests.engine.archives.copying import members
from tests.support.engine import Host

pytestmark = [pytest.mark.root, pytest.mark.registry]

UNPACKER = """
import os, sys, time
from engine.layers.confined import confine
os.chdir(sys.argv[1]); os.chroot("."); confine()
print("confined", flush=True)
time.sleep(1000)
"""
OWN_LINKS = {"lo", "eth0"}
"""What a container has of network interfaces."""
HOST: dict[str, Any] = {"userns": "host"}


def said(host: Host, script: str, **how: Any) -> str:
    record = host.run("sh", "-c", f"({script}) 2>&1", **{**HOST, **how})
    host.ended(record.id)
    text = host.log(record.id).decode()
    host.engine.container_remove(record.id)
    return text


@pytest.fixture(params=["portside", "crun", "runc"])
def runtime(request: pytest.FixtureRequest, host: Host) -> str:
    installed = [fact["name"] for fact in host.engine.runtime.installed.facts() if not fact.get("problem")]
    if request.param not in ("portside", *installed):
        pytest.skip(f"{request.param} is not installed")
    return str(request.param)


@pytest.mark.parametrize("mode", ["ro", "rw", "ro,rslave"])
def test_all_of_the_host_but_what_is_portsides_or_the_kernels(
    host: Host, runtime: str, mode: str, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("of the host\n")
    look = f"cat /host{tmp_path}/file; ls -A /host{host.home.path} /host/proc /host/sys /host/dev; echo $?"
    lines = said(host, look, volumes=(f"/:/host:{mode}",), runtime=runtime).splitlines()
    assert lines[0] == "of the host" and lines[-1] == "0"
    names = [line for line in lines[1:-1] if line and not line.endswith(":")]
    assert names == []
    assert os.listdir(host.home.path), "on the host all is as it was"
    written = said(host, f"echo x > /host{host.home.path}/new", volumes=(f"/:/host:{mode}",), runtime=runtime)
    assert "Read-only file system" in written and not (host.home.path / "new").exists()
    assert host.home.mounts() == []


def test_a_directory_above_the_home_and_without_what_is_mounted_below(host: Host) -> None:
    above = host.home.path.parent
    for mount in (
        f"type=bind,source={above},target=/x,readonly",
        f"type=bind,source={above},target=/x,bind-nonrecursive=true",
    ):
        assert said(host, f"ls -A /x/{host.home.path.name} | wc -l", mounts=(mount,)) == "0\n"


def test_a_privileged_one_sees_the_kernels_and_not_the_home(host: Host) -> None:
    text = said(
        host,
        f"cat /host/proc/version | wc -l; ls -A /host{host.home.path} | wc -l",
        volumes=("/:/host",),
        privileged=True,
    )
    assert text == "1\n0\n"


def test_users_of_its_own_and_shared_mounts_are_refused_by_what_to_do(host: Host) -> None:
    with pytest.raises(InvalidArgument, match="userns: host"):
        host.engine.container_create(host.spec("true", volumes=("/:/host:ro",)))
    assert host.engine.container_list() == []
    with pytest.raises(PermissionDenied, match="rslave"):
        host.engine.container_create(host.spec("true", volumes=("/:/host:rshared",), **HOST))
    with pytest.raises(PermissionDenied, match="Portside's own files"):
        kind = f"type=volume,target=/x,volume-opt=type=none,volume-opt=o=bind,volume-opt=device={host.home.path.parent}"
        host.engine.container_create(host.spec("true", mounts=(kind,), **HOST))


def test_others_take_it_over_as_it_is(host: Host) -> None:
    first = host.run("true", volumes=("/:/host:ro",), **HOST)
    host.ended(first.id)
    assert said(host, f"ls -A /host{host.home.path} | wc -l", volumes_from=(first.name,)) == "0\n"


def test_a_copy_out_of_one_that_rests_shows_no_more(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("of the host\n")
    spec = host.spec("true", volumes=("/:/host:ro",), **HOST)
    host.engine.container_create(spec)
    for path, names in ((f"/host{host.home.path}", 1), (f"/host{tmp_path}", 2)):
        assert len(members(host.engine, spec.id, path)) == names


def test_the_hosts_proc_and_sys_can_be_read(host: Host, runtime: str) -> None:
    script = "cat /host/proc/version | wc -l; echo 1 > /host/proc/sys/vm/drop_caches; ls /host/sys/class/net"
    text = said(host, script, volumes=("/proc:/host/proc:ro", "/sys:/host/sys:ro"), runtime=runtime)
    lines = text.splitlines()
    assert lines[0] == "1" and "Read-only file system" in lines[1]
    assert set(lines[2:]) - OWN_LINKS, "the bridge of the default network, at least"
    writable_below = "type=bind,source=/proc,target=/x,readonly,bind-recursive=writable"
    with pytest.raises(PermissionDenied, match="read-only"):
        host.engine.container_create(host.spec("true", mounts=(writable_below,), **HOST))


def test_the_hosts_own_below_sys_and_memory_and_devices_at_their_places(host: Host, runtime: str) -> None:
    text = said(
        host,
        "ls /sys/class/net; ls -d /sys/fs/cgroup; echo shared > /dev/shm/portside-test",
        volumes=("/sys:/sys:ro", "/sys/fs/cgroup:/sys/fs/cgroup:ro", "/dev/shm:/dev/shm"),
        runtime=runtime,
    )
    shared = Path("/dev/shm/portside-test")
    assert shared.read_text() == "shared\n"
    shared.unlink()
    assert text.splitlines()[-1] == "/sys/fs/cgroup"
    assert set(text.splitlines()[:-1]) - OWN_LINKS
    given = said(
        host, "head -c 3 /dev/more | od -An -tx1", volumes=("/dev/zero:/dev/more",), privileged=True, runtime=runtime
    )
    assert given.split() == ["00", "00", "00"]


@pytest.mark.parametrize(
    ("target", "why"),
    [("/", ""), ("/proc", ""), ("/proc/sys", ""), ("/dev", "privileged"), ("/dev/pts", "its own"),
     ("/dev/null", "its own"), ("/sys", "host's own"), ("/sys/kernel", "host's own")],
)  # fmt: skip
def test_what_makes_a_container_is_not_mounted_over(host: Host, target: str, why: str) -> None:
    for changes in ({"volumes": (f"/srv:{target}",)}, {"mounts": (f"type=tmpfs,target={target}",)},
                    {"tmpfs": (target,)}, {"volumes": (f"name:{target}",)}):  # fmt: skip
        with pytest.raises(InvalidArgument, match=f"nothing can be mounted at {target}.*{why}"):
            host.engine.container_create(host.spec("true", **changes))


def test_memory_below_dev(host: Host, runtime: str) -> None:
    text = said(host, "df -k /dev/more | tail -1 | awk '{print $2}'", tmpfs=("/dev/more:size=1m",), runtime=runtime)
    assert text == "1024\n"
    assert (
        said(host, "df -k /dev/more | tail -1 | awk '{print $2}'", tmpfs=("/dev/more:size=1m",), userns="auto") == text
    )


def test_an_agent_that_shares_the_hosts_processes_or_has_all_rights_needs_no_more_words(host: Host) -> None:
    for sharing in ({"pid": "host", "network": "host"}, {"pid": "host"}, {"network": "host"}, {"privileged": True}):
        text = said(
            host, f"ls -A /host{host.home.path} | wc -l", volumes=("/:/host:ro,rslave",), userns="auto", **sharing
        )
        assert text == "0\n", sharing


def test_the_hosts_proc_leads_into_no_process_of_ours(host: Host) -> None:
    """Its links lead into the roots of all processes that are the same user's and have no more rights than who asks."""
    host.run("sleep", "1000")
    unpacker = subprocess.Popen(
        [sys.executable, "-c", UNPACKER, str(host.home.path / "snapshots")], stdout=subprocess.PIPE
    )
    assert unpacker.stdout is not None and unpacker.stdout.readline()
    ours = [os.getpid(), host.keeper_pid(), *host.helper_pids("engine.runtime"), 1, unpacker.pid]
    script = "; ".join(f"ls /host/proc/{pid}/root/ /host/proc/{pid}/cwd/; cat /host/proc/{pid}/environ" for pid in ours)
    for how in ({"volumes": ("/proc:/host/proc:ro",)}, {"pid": "host"}):
        look = script if "volumes" in how else script.replace("/host/proc", "/proc")
        lines = said(host, look, **how).splitlines()
        assert len(lines) == 3 * len(ours)
        assert all("Permission denied" in line for line in lines), lines
    unpacker.kill()
    unpacker.communicate()


def test_nothing_is_made_in_the_hosts_proc_and_sys(host: Host) -> None:
    for place in ("/sys/fs/cgroup/portside-test", "/proc/portside-test"):
        with pytest.raises(InvalidArgument, match="is not there"):
            host.engine.container_create(host.spec("true", volumes=(f"{place}:/x:ro",), **HOST))
        assert not os.path.exists(place)


def test_two_slashes_are_one(host: Host) -> None:
    for target in ("//proc", "//dev", "//sys/kernel", "//proc/sys", "//dev//pts"):
        for changes in ({"tmpfs": (target,)}, {"volumes": (f"/srv:{target}",)}):
            with pytest.raises(InvalidArgument, match="nothing can be mounted"):
                host.engine.container_create(host.spec("true", **changes))


def test_another_directory_in_the_homes_place_is_no_way_to_it(tmp_path: Path) -> None:
    """As where a program that may write above it exchanges names in the moment of another container's start."""
    home, decoy = tmp_path / "a" / "home", tmp_path / "z" / "home"
    for place in (home, decoy):
        place.mkdir(parents=True)
    (home / "secret").touch()
    names = [os.fsencode(tmp_path / name) for name in ("a", "z")]
    known, stop = hiding.identity(home), threading.Event()

    def exchange() -> None:
        libc = ctypes.CDLL(None)
        while not stop.is_set():
            assert libc.renameat2(-100, names[0], -100, names[1], 2) == 0  # RENAME_EXCHANGE

    racer = threading.Thread(target=exchange)
    racer.start()
    refused = 0
    try:
        for _ in range(100):
            pid = os.fork()
            if not pid:
                code = 3
                try:
                    tree = kernel.open_tree(kernel.AT_FDCWD, str(tmp_path), recursive=True)
                    kernel.mount_setattr(tree, 0, recursive=True, propagation=kernel.MS_PRIVATE)
                    shown = hiding.hide(tree, ["a/home"], known, recursive=True)
                    code = int(any(_has(shown, f"{name}/home/secret") for name in "azazazaz"))
                except Failure as failure:
                    code = 2 if failure.family == "conflict" else 3
                finally:
                    os._exit(code)
            code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            assert code in (0, 2)
            refused += code == 2
    finally:
        stop.set()
        racer.join()
    print(f"{refused} of 100 refused")


def _has(tree: int, path: str) -> bool:
    try:
        os.stat(path, dir_fd=tree)
    except FileNotFoundError:
        return False
    return True
