"""Limits that `docker run` can set, read back from the kernel's control groups."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from engine.cgroups import Cgroups
from engine.errors import InvalidArgument, Unsupported
from tests.support.engine import Host

pytestmark = [pytest.mark.root, pytest.mark.registry]

MIB = 1 << 20


def group_files(host: Host, **options: Any) -> dict[str, str]:
    """The files of a sleeping container's groups that can be read, by name; and what it sees itself as `inside`."""
    record = host.run("sh", "-c", "grep Cpus_allowed_list /proc/self/status; exec sleep 100", **options)
    host.says(record.id, b"\n")
    found = {"inside": host.log(record.id).decode().split()[-1]}
    for directory in set(Cgroups(host.engine.config).directories(record.id).values()):
        for path in directory.iterdir():
            if path.is_file() and os.access(path, os.R_OK) and path.stat().st_mode & stat.S_IRUSR:
                try:
                    found[path.name] = path.read_text().strip()
                except OSError:  # cgroup.kill and its like
                    continue
    host.engine.container_remove(record.id, force=True)
    return found


def test_memory_swap_and_reservation(host: Host) -> None:
    found = group_files(host, memory_bytes=64 * MIB, memory_swap=96 * MIB, memory_reservation=32 * MIB)
    if "memory.max" in found:
        assert (found["memory.max"], found["memory.low"]) == (str(64 * MIB), str(32 * MIB))
        assert found.get("memory.swap.max", str(32 * MIB)) == str(32 * MIB)
    else:
        assert (found["memory.limit_in_bytes"], found["memory.soft_limit_in_bytes"]) == (str(64 * MIB), str(32 * MIB))
        assert found.get("memory.memsw.limit_in_bytes", str(96 * MIB)) == str(96 * MIB)


def test_processors_and_their_time(host: Host) -> None:
    last = sorted(os.sched_getaffinity(0))[-1]
    found = group_files(host, cpu_shares=512, cpu_quota=25_000, cpu_period=50_000, cpuset_cpus=str(last))
    assert found["inside"] == str(last)
    assert found["cpuset.cpus"] == str(last)
    if "cpu.max" in found:
        assert (found["cpu.max"], found["cpu.weight"]) == ("25000 50000", "20")
    else:
        assert (found["cpu.cfs_quota_us"], found["cpu.cfs_period_us"]) == ("25000", "50000")
        assert found["cpu.shares"] == "512"


def test_processes_are_unlimited_only_where_that_is_asked_for(host: Host) -> None:
    assert group_files(host)["pids.max"] == "2048"
    assert group_files(host, pids_limit=-1)["pids.max"] == "max"


def test_who_is_never_killed_for_memory(host: Host) -> None:
    if Cgroups(host.engine.config).version == "v2":
        spec = host.spec("true", memory_bytes=64 * MIB, oom_kill_disable=True)
        host.engine.container_create(spec)
        with pytest.raises(Unsupported, match="oom_kill_disable: control groups of version 2"):
            host.engine.container_start(spec.id)
    else:
        found = group_files(host, memory_bytes=64 * MIB, oom_kill_disable=True)
        assert "oom_kill_disable 1" in found["memory.oom_control"]


def a_disk() -> str:
    disk = next((path for path in ("/dev/vda", "/dev/sda", "/dev/nvme0n1", "/dev/loop0") if Path(path).exists()), None)
    if disk is None:
        pytest.skip("this machine has no disk that is known by name")
    return disk


def numbers_of(disk: str) -> str:
    numbers = Path(disk).stat().st_rdev
    return f"{os.major(numbers)}:{os.minor(numbers)}"


def test_a_disk_is_throttled(host: Host) -> None:
    disk = a_disk()
    name = numbers_of(disk)
    found = group_files(host, device_read_bps=(f"{disk}:{MIB}",), device_write_iops=(f"{disk}:100",))
    if "io.max" in found:
        assert found["io.max"].startswith(name) and f"rbps={MIB}" in found["io.max"] and "wiops=100" in found["io.max"]
    else:
        assert found["blkio.throttle.read_bps_device"] == f"{name} {MIB}"
        assert found["blkio.throttle.write_iops_device"] == f"{name} 100"


def test_rates_of_disks_change_under_a_running_container(host: Host) -> None:
    disk = a_disk()
    record = host.run("sleep", "100", device_read_bps=(f"{disk}:{MIB}",), device_write_iops=(f"{disk}:100",))
    where = Cgroups(host.engine.config).directories(record.id)
    directory = where.get("io", where.get("blkio"))
    assert directory is not None
    changes = {"device_read_bps": [f"{disk}:{2 * MIB}"], "device_write_iops": None, "device_read_iops": [f"{disk}:50"]}
    changed = host.engine.container_update(record.id, changes)
    assert (changed.spec.device_read_bps, changed.spec.device_write_iops) == ((f"{disk}:{2 * MIB}",), ())
    if (directory / "io.max").exists():
        assert (directory / "io.max").read_text().split()[1:] == [
            f"rbps={2 * MIB}",
            "wbps=max",
            "riops=50",
            "wiops=max",
        ]
    else:
        held = {kind: (directory / f"blkio.throttle.{kind}_device").read_text().strip()
                for kind in ("read_bps", "write_bps", "read_iops", "write_iops")}  # fmt: skip
        name = numbers_of(disk)
        assert held == {"read_bps": f"{name} {2 * MIB}", "write_bps": "", "read_iops": f"{name} 50", "write_iops": ""}
    with pytest.raises(InvalidArgument) as caught:
        host.engine.container_update(record.id, {"device_read_bps": ["/dev/nowhere:1"]})
    assert caught.value.detail["field"] == "device_read_bps"
    host.engine.container_remove(record.id, force=True)


def test_a_processor_that_is_not_there_is_refused_by_its_field(host: Host) -> None:
    spec = host.spec("true", cpuset_cpus="4000")
    host.engine.container_create(spec)
    with pytest.raises(InvalidArgument, match="cpuset_cpus: the kernel refuses it"):
        host.engine.container_start(spec.id)
    assert host.is_clean(spec.id)


def test_how_readily_it_swaps(host: Host) -> None:
    if Cgroups(host.engine.config).version == "v2":
        with pytest.raises(Unsupported, match="memory_swappiness"):
            group_files(host, memory_swappiness=7)
    else:
        assert group_files(host, memory_swappiness=7)["memory.swappiness"] == "7"
