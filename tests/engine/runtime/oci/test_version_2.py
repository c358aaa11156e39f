"""Control groups where version 2 has all controllers: every limit in its file, and the kernel holding to it."""

from __future__ import annotations

import json
import mmap
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from engine.runtime.oci.groups.tree import hierarchies
from tests.engine.runtime.oci.bundles import Bundle

V1, UNIFIED = hierarchies(Path("/proc/self/mountinfo").read_text())
pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(bool(V1) or UNIFIED is None, reason="this machine's controllers are of version 1: make test-v2"),
]
MIB = 1 << 20
MAP_HUGETLB = 0x40000


def whole_disk() -> tuple[int, int]:
    """The disk that holds the tests' files, as throttles want it: no partition."""
    number = os.stat("/").st_dev
    path = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    if not path.exists():
        pytest.skip("the root file system has no disk of its own")
    if (path / "partition").exists():
        path = path.resolve().parent
    major, minor = (path / "dev").read_text().split(":")
    return int(major), int(minor)


def test_every_limit_is_in_its_file(bundle: Bundle) -> None:
    major, minor = whole_disk()
    device = {"major": major, "minor": minor}
    bundle.linux["resources"] = {
        "memory": {"limit": 64 * MIB, "swap": 96 * MIB, "reservation": 32 * MIB, "checkBeforeUpdate": True},
        "cpu": {"shares": 512, "quota": 50_000, "period": 100_000, "burst": 10_000, "cpus": "0", "mems": "0"},
        "pids": {"limit": 50},
        "blockIO": {
            "throttleReadBpsDevice": [{**device, "rate": 8 * MIB}],
            "throttleWriteIOPSDevice": [{**device, "rate": 200}],
        },
        "hugepageLimits": [{"pageSize": "2MB", "limit": 4 * MIB}],
        "unified": {"memory.high": str(48 * MIB), "memory.oom.group": "1"},
    }
    bundle.args("/bin/sleep", "100").create()
    found = {
        name: (bundle.group("memory") / name).read_text().strip()
        for name in ("memory.max", "memory.swap.max", "memory.low", "memory.high", "memory.oom.group", "cpu.weight",
                     "cpu.max", "cpu.max.burst", "cpuset.cpus", "cpuset.mems", "pids.max", "hugetlb.2MB.max", "io.max")
    }  # fmt: skip
    assert found == {
        "memory.max": str(64 * MIB), "memory.swap.max": str(32 * MIB), "memory.low": str(32 * MIB),
        "memory.high": str(48 * MIB), "memory.oom.group": "1", "cpu.weight": "20", "cpu.max": "50000 100000",
        "cpu.max.burst": "10000", "cpuset.cpus": "0", "cpuset.mems": "0", "pids.max": "50",
        "hugetlb.2MB.max": str(4 * MIB), "io.max": f"{major}:{minor} rbps={8 * MIB} wbps=max riops=max wiops=200",
    }  # fmt: skip


def test_weights_of_disks_are_written_where_the_kernel_has_them(bundle: Bundle) -> None:
    bundle.linux["resources"] = {"blockIO": {"weight": 500}}
    bundle.args("/bin/sleep", "100").create()
    group = bundle.group("io")
    found = {name: (group / name).read_text().split("\n")[0] for name in ("io.bfq.weight", "io.weight")
             if (group / name).exists()}  # fmt: skip
    assert "default 500" in found.values() or "default 4950" in found.values(), found


def test_a_slow_disk_is_slow(bundle: Bundle, tmp_path: Path) -> None:
    major, minor = whole_disk()
    bundle.config["mounts"].append(
        {"destination": "/data", "type": "bind", "source": str(tmp_path), "options": ["bind"]}
    )
    bundle.config["root"]["readonly"] = False
    write = "busybox time busybox dd if=/dev/zero of=/data/file bs=64k count=32 oflag=direct"
    rate = [{"major": major, "minor": minor, "rate": MIB}]
    bundle.linux["resources"] = {"blockIO": {"throttleWriteBpsDevice": rate}}
    done = bundle.run(f"{write} 2>&1")
    assert done.returncode == 0, done.stdout
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("real")]
    minutes, _, seconds = line.split("\t")[-1].strip().rstrip("s").partition("m")
    assert int(minutes) * 60 + float(seconds) > 1.2


def test_huge_pages_above_the_limit_are_not_given(bundle: Bundle) -> None:
    pool = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
    before = pool.read_text()
    pool.write_text("4")
    try:
        if int(pool.read_text()) < 2:
            pytest.skip("this machine can't spare huge pages")
        bundle.linux["resources"] = {"hugepageLimits": [{"pageSize": "2MB", "limit": 2 * MIB}]}
        bundle.args("/bin/sleep", "100").start()
        assert _touch_huge_pages(bundle.group("hugetlb"), 1) == 0
        assert _touch_huge_pages(bundle.group("hugetlb"), 2) == -signal.SIGBUS
    finally:
        pool.write_text(before)


def _touch_huge_pages(group: Path, pages: int) -> int:
    """In a process of the group; how it ended."""
    code = f"""if True:
        import mmap
        open({str(group / "cgroup.procs")!r}, "w").write("0")
        memory = mmap.mmap(-1, {pages * 2 * MIB}, flags={mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_HUGETLB})
        for place in range(0, {pages * 2 * MIB}, {2 * MIB}):
            memory[place] = 1
    """
    return subprocess.run([sys.executable, "-I", "-S", "-c", code], check=False).returncode


def test_a_hog_takes_its_whole_group_along_when_asked_to(bundle: Bundle) -> None:
    bundle.linux["resources"] = {"memory": {"limit": 16 * MIB}, "unified": {"memory.oom.group": "1"}}
    bundle.args("/bin/sh", "-c", "sleep 100 & busybox dd if=/dev/zero of=/dev/null bs=200M count=1; sleep 100").start()
    bundle.until("stopped")
    events = dict(line.split() for line in (bundle.group("memory") / "memory.events").read_text().splitlines())
    assert int(events["oom_kill"]) >= 3
    assert (bundle.group("memory") / "cgroup.procs").read_text() == ""


def test_events_tell_that_memory_ran_out(bundle: Bundle) -> None:
    bundle.linux["resources"] = {"memory": {"limit": 16 * MIB}}
    script = "sleep 2; busybox dd if=/dev/zero of=/dev/null bs=200M count=1; sleep 2"
    bundle.args("/bin/sh", "-c", script).start()
    told = [json.loads(line) for line in bundle.succeed("events", "--interval", "300ms", bundle.id).splitlines()]
    assert "oom" in [event["type"] for event in told]
    assert told[0]["data"]["memory"]["usage"]["limit"] == 16 * MIB
    assert told[0]["data"]["pids"]["current"] >= 1


def test_controllers_are_handed_down_to_a_group_below_others(bundle: Bundle) -> None:
    bundle.linux["cgroupsPath"] = f"/above-{bundle.id}/between/inner"
    bundle.linux["resources"] = {"memory": {"limit": 64 * MIB}}
    bundle.args("/bin/sleep", "100").create()
    inner = bundle.group("memory")
    assert (inner / "memory.max").read_text().strip() == str(64 * MIB)
    bundle.remove()
    (inner.parent).rmdir()
    (inner.parent.parent).rmdir()


def test_below_a_group_with_processes_limits_are_refused_with_the_reason(bundle: Bundle) -> None:
    """The kernel's rule of no internal processes: cgroup-v2.rst."""
    above = Path(str(UNIFIED)) / f"above-{bundle.id}"
    above.mkdir()
    resident = subprocess.Popen(["sleep", "100"])
    try:
        (above / "cgroup.procs").write_text(str(resident.pid))
        bundle.linux["cgroupsPath"] = f"/{above.name}/inner"
        bundle.linux["resources"] = {"memory": {"limit": 64 * MIB}}
        complaint = bundle.args("/bin/true").refusal()
        assert complaint.startswith("linux.resources.memory.limit")
        assert f"{above} holds processes" in complaint
    finally:
        resident.kill()
        resident.wait()
        above.rmdir()


def test_a_frozen_container_is_killed_and_removed(bundle: Bundle) -> None:
    bundle.args("/bin/sleep", "100").start()
    bundle.succeed("pause", bundle.id)
    assert "frozen 1" in (bundle.group("memory") / "cgroup.events").read_text()
    assert bundle.status() == "paused"
    bundle.succeed("delete", "--force", bundle.id)


def test_devices_are_refused_to_those_who_could_make_their_nodes(bundle: Bundle) -> None:
    major, minor = whole_disk()
    for names in bundle.process["capabilities"].values():
        names += ["CAP_MKNOD", "CAP_SYS_ADMIN"]
    bundle.config["root"]["readonly"] = False
    make = f"busybox mknod /tmp/disk b {major} {minor}"
    assert bundle.run(make).returncode != 0
    bundle.linux["resources"] = {"devices": [{"allow": True, "type": "b", "access": "m"}]}
    read = bundle.run(f"busybox rm -f /tmp/disk; {make} && busybox dd if=/tmp/disk of=/dev/null bs=512 count=1")
    assert "Operation not permitted" in read.stderr
    allowed = {"allow": True, "type": "b", "major": major, "minor": minor, "access": "rm"}
    bundle.linux["resources"] = {"devices": [allowed]}
    read = bundle.run(f"busybox rm -f /tmp/disk; {make} && busybox dd if=/tmp/disk of=/dev/null bs=512 count=1")
    assert read.returncode == 0, read.stderr
    written = bundle.run("busybox dd if=/dev/null of=/tmp/disk bs=512 count=1; e=$?; busybox rm /tmp/disk; exit $e")
    assert "Operation not permitted" in written.stderr


def test_a_container_sees_its_own_group_as_the_root(bundle: Bundle) -> None:
    bundle.linux["resources"] = {"memory": {"limit": 64 * MIB}}
    out = bundle.sh("cat /proc/self/cgroup /sys/fs/cgroup/memory.max; busybox ls /sys/fs/cgroup | busybox wc -l")
    place, limit, files = out.split()
    assert (place, limit) == ("0::/", str(64 * MIB))
    assert int(files) > 20


def test_an_update_of_the_period_alone_keeps_the_quota(bundle: Bundle) -> None:
    bundle.linux["resources"] = {"cpu": {"quota": 50_000, "period": 100_000}}
    bundle.args("/bin/sleep", "100").create()
    bundle.succeed("update", "--cpu-period", "200000", bundle.id)
    assert (bundle.group("cpu") / "cpu.max").read_text().split() == ["50000", "200000"]
