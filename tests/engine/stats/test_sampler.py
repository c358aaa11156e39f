"""Figures of real processes in real control groups, and the kernel's formats of both versions."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyroute2 import IPRoute

from engine.cgroups import Cgroups, Resources
from engine.config import EngineConfig
from engine.stats import cgroup_v1, cgroup_v2
from engine.stats.sampler import FILES, Sampler

MIB = 1 << 20
FIGURES = (
    "cpuacct.usage", "memory.usage_in_bytes", "memory.limit_in_bytes", "memory.stat", "pids.current",
    "blkio.throttle.io_service_bytes_recursive", "cpu.stat", "memory.current", "memory.max", "io.stat",
)  # fmt: skip

# A "container": joins its groups and a network namespace of its own, then waits to be told what to do.
_INSIDE = """
import ctypes, os, sys
for path in sys.argv[1:]:
    with open(path, "w") as file: file.write(str(os.getpid()))
ctypes.CDLL(None).unshare(0x40000000)
print("ready", flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Inside:
    def __init__(self, cgroups: Cgroups, container_id: str) -> None:
        paths = [str(path) for path in cgroups.join_files(container_id)]
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _INSIDE, *paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid
        self._said()

    def do(self, code: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(code + "\n")
        self._process.stdin.flush()
        self._said()

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()

    def _said(self) -> None:
        assert self._process.stdout is not None
        assert self._process.stdout.readline()


@pytest.fixture
def config(tmp_path: Path) -> EngineConfig:
    return EngineConfig(tmp_path)


@pytest.fixture
def cgroups(config: EngineConfig) -> Iterator[Cgroups]:
    cgroups = Cgroups(config)
    yield cgroups
    for container_id in cgroups.list():
        cgroups.remove(container_id)
    cgroups.remove_parent()


@pytest.mark.root
def test_a_containers_processor_memory_and_processes_are_counted(config: EngineConfig, cgroups: Cgroups) -> None:
    cgroups.create("one", Resources(memory_bytes=64 * MIB))
    inside = Inside(cgroups, "one")
    sampler = Sampler(config, cgroups)
    before = sampler.sample({"one": inside.pid})["one"]
    inside.do("import time; end = time.process_time() + 0.2; kept = bytearray(20 << 20)")
    inside.do("while time.process_time() < end: pass")
    inside.do("import subprocess; child = subprocess.Popen(['sleep', '60'], stdout=subprocess.DEVNULL)")
    after = sampler.sample({"one": inside.pid})["one"]
    inside.end()
    assert 0.2 <= after.cpu_seconds - before.cpu_seconds < 2
    assert 20 * MIB <= after.memory_bytes - before.memory_bytes < 40 * MIB
    assert after.memory_limit_bytes == 64 * MIB
    assert (before.pids, after.pids) == (1, 2)


@pytest.mark.root
def test_file_cache_is_not_counted_as_used_memory(config: EngineConfig, cgroups: Cgroups, tmp_path: Path) -> None:
    cgroups.create("one", Resources(memory_bytes=256 * MIB))
    inside = Inside(cgroups, "one")
    sampler = Sampler(config, cgroups)
    before = sampler.sample({"one": inside.pid})["one"]
    inside.do(f"import os; f = open({str(tmp_path / 'file')!r}, 'wb')")
    inside.do("for _ in range(40): f.write(b'x' * (1 << 20))")
    inside.do("f.flush(); os.fsync(f.fileno())")
    after = sampler.sample({"one": inside.pid})["one"]
    inside.end()
    assert after.memory_bytes - before.memory_bytes < 20 * MIB


@pytest.mark.root
def test_a_container_without_a_limit_has_none(config: EngineConfig, cgroups: Cgroups) -> None:
    cgroups.create("one", Resources())
    inside = Inside(cgroups, "one")
    assert Sampler(config, cgroups).sample({"one": inside.pid})["one"].memory_limit_bytes is None
    inside.end()


@pytest.mark.root
def test_interfaces_are_told_apart_where_there_are_several(config: EngineConfig, cgroups: Cgroups) -> None:
    cgroups.create("one", Resources())
    inside = Inside(cgroups, "one")
    sampler = Sampler(config, cgroups)
    assert sampler.sample({"one": inside.pid})["one"].interfaces == {}
    with IPRoute() as route:
        peer = {"ifname": "eth1", "net_ns_pid": inside.pid}
        route.link("add", ifname="eth0", kind="veth", net_ns_pid=inside.pid, peer=peer)
    figures = sampler.sample({"one": inside.pid})["one"]
    inside.end()
    assert figures.interfaces == {"eth0": (0, 0), "eth1": (0, 0)}
    assert (figures.network_rx_bytes, figures.network_tx_bytes) == (0, 0)


@pytest.mark.root
def test_containers_that_are_gone_are_left_out(config: EngineConfig, cgroups: Cgroups) -> None:
    assert Sampler(config, cgroups).sample({"gone": 2**22 + 1}) == {}


def open_files(cgroups: Cgroups) -> set[str]:
    """Of these groups: other tests' samplers are collected when it pleases Python."""
    found = set()
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the listing's own
            found.add(os.readlink(f"/proc/self/fd/{number}"))
    return {path for path in found if f"/{cgroups.parent}/" in path}


@pytest.mark.root
def test_a_group_that_is_made_anew_is_looked_at_anew(config: EngineConfig, cgroups: Cgroups) -> None:
    """A container's next run has new groups under the same names; those of the run before stay open until then."""
    sampler = Sampler(config, cgroups)
    for limit in (64 * MIB, 32 * MIB):
        cgroups.create("one", Resources(memory_bytes=limit))
        inside = Inside(cgroups, "one")
        for _ in range(2):
            assert sampler.sample({"one": inside.pid})["one"].memory_limit_bytes == limit
        assert open_files(cgroups)
        inside.end()
        cgroups.remove("one")
        assert not any(path.exists() for path in cgroups.directories("one").values())
        assert sampler.sample({"one": 2**22 + 1}) == {}
    sampler.sample({})
    assert not open_files(cgroups)


@pytest.mark.root
def test_it_leaves_descriptors_to_others(
    config: EngineConfig, cgroups: Cgroups, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = [f"c{number}" for number in range(5)]
    for container_id in ids:
        cgroups.create(container_id, Resources(memory_bytes=64 * MIB))
    inside = Inside(cgroups, "c0")
    monkeypatch.setattr("resource.getrlimit", lambda _: (4 * 2 * FILES, 4 * 2 * FILES))
    sampler = Sampler(config, cgroups)
    for _ in range(2):
        samples = sampler.sample(dict.fromkeys(ids, inside.pid))
        assert {sample.memory_limit_bytes for sample in samples.values()} == {64 * MIB} and len(samples) == 5
        assert 0 < len(open_files(cgroups)) <= 2 * FILES
    inside.end()
    del sampler
    assert not open_files(cgroups)


def read_plainly(cgroups: Cgroups, container_id: str, pid: int) -> int:
    """Open and read what has the figures, and do nothing with it; how many files."""
    count = len(Path(f"/proc/{pid}/net/dev").read_bytes()) > 0
    for directory in set(cgroups.directories(container_id).values()):
        for name in FIGURES:
            if (directory / name).exists():
                count += len((directory / name).read_bytes()) > 0
    return count


@pytest.mark.root
def test_fifty_containers_take_no_longer_than_the_reading_of_their_files(
    config: EngineConfig, cgroups: Cgroups
) -> None:
    ids = [f"c{number}" for number in range(50)]
    for container_id in ids:
        cgroups.create(container_id, Resources(memory_bytes=64 * MIB))
    inside = Inside(cgroups, "c0")
    sampler = Sampler(config, cgroups)
    times, plain = [], []
    for _ in range(5):
        started = time.perf_counter()
        samples = sampler.sample(dict.fromkeys(ids, inside.pid))
        times.append(time.perf_counter() - started)
        started = time.perf_counter()
        read = [read_plainly(cgroups, container_id, inside.pid) for container_id in ids]
        plain.append(time.perf_counter() - started)
    inside.end()
    assert len(samples) == 50 and min(read) >= 4
    print(f"50 containers: {min(times) * 1000:.1f} ms, their files alone: {min(plain) * 1000:.1f} ms")
    assert min(times) < min(plain)


def test_the_host_is_seen(config: EngineConfig) -> None:
    config.home.mkdir(parents=True, exist_ok=True)
    sampler = Sampler(config)
    assert sampler.host().cpu_percent == 0
    end = time.process_time() + 0.1
    while time.process_time() < end:
        pass
    sample = sampler.host()
    assert 0 < sample.cpu_percent <= 100
    assert 0 < sample.memory_used_bytes < sample.memory_total_bytes
    assert 0 < sample.disk_free_bytes <= sample.disk_total_bytes
    assert sample.load1 >= 0


def test_version_1_files_are_understood(tmp_path: Path) -> None:
    (tmp_path / "cpuacct.usage").write_text("2500000000\n")
    (tmp_path / "memory.usage_in_bytes").write_text("1000000\n")
    (tmp_path / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    (tmp_path / "memory.stat").write_text("cache 5\ninactive_file 7\ntotal_cache 5\ntotal_inactive_file 400000\n")
    (tmp_path / "pids.current").write_text("3\n")
    (tmp_path / "blkio.throttle.io_service_bytes_recursive").write_text(
        "8:0 Read 4096\n8:0 Write 8192\n8:0 Total 12288\n8:16 Read 1\n8:16 Write 2\nTotal 12291\n"
    )
    usage = cgroup_v1.usage(dict.fromkeys(("cpuacct", "memory", "pids", "blkio"), tmp_path))
    assert (usage.cpu_seconds, usage.memory_bytes, usage.memory_limit_bytes, usage.pids) == (2.5, 600000, None, 3)
    assert (usage.block_read_bytes, usage.block_write_bytes) == (4097, 8194)


def test_version_2_files_are_understood(tmp_path: Path) -> None:
    (tmp_path / "cpu.stat").write_text("usage_usec 2500000\nuser_usec 1\nsystem_usec 2\n")
    (tmp_path / "memory.current").write_text("1000000\n")
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.stat").write_text("anon 5\nfile 1\ninactive_file 400000\n")
    (tmp_path / "pids.current").write_text("3\n")
    (tmp_path / "io.stat").write_text("8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=9\n8:16 rbytes=1 wbytes=2\n")
    usage = cgroup_v2.usage({"unified": tmp_path})
    assert (usage.cpu_seconds, usage.memory_bytes, usage.memory_limit_bytes, usage.pids) == (2.5, 600000, None, 3)
    assert (usage.block_read_bytes, usage.block_write_bytes) == (4097, 8194)
    (tmp_path / "memory.max").write_text("67108864\n")
    assert cgroup_v2.usage({"unified": tmp_path}).memory_limit_bytes == 64 * MIB


def test_a_machine_without_some_controllers_counts_nothing_for_them(tmp_path: Path) -> None:
    usage = cgroup_v1.usage({"memory": tmp_path})
    assert (usage.cpu_seconds, usage.pids, usage.block_read_bytes, usage.memory_limit_bytes) == (0, 0, 0, None)
