"""Other limits and restart policies for containers that run, read back from the kernel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.cgroups import Cgroups
from engine.containers.record import ContainerRecord
from engine.errors import EngineError, InvalidArgument
from tests.engine.containers.fakes import FakeImage, World, engine_on, image_config, spec
from tests.support.engine import Host
from tests.support.processes import eventually

MIB = 1 << 20


def test_a_policy_and_limits_are_kept_and_what_can_not_be_is_refused(tmp_path: Path) -> None:
    world = World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})
    containers, parts = engine_on(tmp_path, world)
    containers.create(spec(1, restart="on-failure", restart_limit=3, cpu_quota=50_000))
    updated = containers.update("c1", {"restart": "always", "cpus": 0.5, "memory_bytes": 64 * MIB})
    assert (updated.spec.restart, updated.spec.restart_limit) == ("always", None)
    assert (updated.spec.cpus, updated.spec.cpu_quota, updated.spec.memory_bytes) == (0.5, None, 64 * MIB)
    assert containers.update("c1", {"restart": "always"}) == updated
    for changes, field in (
        ({"memory_bytes": 1}, "memory_bytes"),
        ({"memory_swap": MIB}, "memory_swap"),
        ({"restart": "sometimes"}, "restart"),
        ({"image": "other"}, "image"),
        ({"cpus": 0.5, "cpu_quota": 1000}, "cpus"),
    ):
        with pytest.raises(InvalidArgument) as caught:
            containers.update("c1", changes)
        assert caught.value.detail["field"] == field
    assert parts.catalog.get(updated.id) == updated
    kinds = [entry.kind for entry in parts.journal.read(0)]
    assert kinds == ["container.created", "container.updated"]


def value(host: Host, record: ContainerRecord, v1: str, v2: str) -> str:
    """What the kernel holds in the file of its version."""
    groups = Cgroups(host.engine.config)
    controller = "memory" if v1.startswith("memory") else v1.partition(".")[0]
    return (groups.directories(record.id)[controller] / (v2 if groups.version == "v2" else v1)).read_text().strip()


@pytest.mark.root
@pytest.mark.registry
def test_limits_change_under_a_running_container_and_hold_for_the_next_start(host: Host) -> None:
    last = str(sorted(os.sched_getaffinity(0))[-1])
    record = host.run("sleep", "100", memory_bytes=64 * MIB)
    for memory in (256, 32):
        changes = {"memory_bytes": memory * MIB, "cpus": 0.5, "pids_limit": 50, "cpu_shares": 512, "cpuset_cpus": last}
        updated = host.engine.container_update(record.name, changes)
        assert updated.pid == record.pid
        for _ in range(2):
            assert value(host, record, "memory.limit_in_bytes", "memory.max") == str(memory * MIB)
            assert value(host, record, "pids.max", "pids.max") == "50"
            assert value(host, record, "cpu.cfs_quota_us", "cpu.max").split()[0] == "50000"
            assert value(host, record, "cpuset.cpus", "cpuset.cpus") == last
            status = Path(f"/proc/{host.engine.container_get(record.id).pid}/status").read_text()
            assert f"Cpus_allowed_list:\t{last}\n" in status
            record = host.engine.container_restart(record.id, 0)
    free = dict.fromkeys(("memory_bytes", "cpus", "cpu_shares", "cpuset_cpus"), None)
    host.engine.container_update(record.name, {**free, "pids_limit": -1})
    assert value(host, record, "memory.limit_in_bytes", "memory.max") in ("max", "9223372036854771712")
    assert value(host, record, "cpu.cfs_quota_us", "cpu.max").split()[0] in ("-1", "max")
    assert value(host, record, "pids.max", "pids.max") == "max"
    assert value(host, record, "cpu.shares", "cpu.weight") in ("1024", "100")
    assert len(os.sched_getaffinity(record.pid or 0)) == len(os.sched_getaffinity(0))
    host.engine.container_remove(record.id, force=True)


@pytest.mark.root
@pytest.mark.registry
def test_less_memory_than_is_used_is_refused_and_kills_nobody(host: Host) -> None:
    fill = "head -c 40000000 /dev/zero | tail -c 40000000 | (sleep 1; echo full; sleep 100)"
    record = host.run("sh", "-c", fill, memory_bytes=128 * MIB, pids_limit=100)
    used = "memory.usage_in_bytes", "memory.current"
    eventually(lambda: int(value(host, record, *used)) > 38_000_000, what="its memory")
    with pytest.raises(InvalidArgument, match="give it more, or let it free memory first") as caught:
        host.engine.container_update(record.id, {"pids_limit": 60, "memory_bytes": 16 * MIB})
    assert caught.value.detail["field"] == "memory_bytes"
    assert value(host, record, "memory.limit_in_bytes", "memory.max") == str(128 * MIB)
    assert value(host, record, "pids.max", "pids.max") == "100"
    now = host.engine.container_get(record.id)
    assert (now.status, now.spec.memory_bytes, now.pid) == ("running", 128 * MIB, record.pid)
    host.engine.container_remove(record.id, force=True)


@pytest.mark.root
@pytest.mark.registry
def test_a_policy_that_is_taken_away_holds_for_the_present_run(host: Host) -> None:
    record = host.run("sleep", "100", restart="always")
    host.engine.container_update(record.id, {"restart": "no"})
    os.kill(record.pid or 0, 9)
    ended = host.ended(record.id)
    assert (ended.status, ended.exit_code, ended.run) == ("stopped", 137, 1)


@pytest.mark.root
@pytest.mark.registry
def test_what_the_kernel_refuses_leaves_everything_as_it_was(host: Host) -> None:
    record = host.run("sleep", "100", pids_limit=100)
    with pytest.raises(EngineError, match="cpuset_cpus") as caught:
        host.engine.container_update(record.id, {"cpus": 0.5, "cpuset_cpus": "4000"})
    assert caught.value.detail["field"] == "cpuset_cpus"
    assert value(host, record, "cpu.cfs_quota_us", "cpu.max").split()[0] in ("-1", "max")
    assert host.engine.container_get(record.id).spec == record.spec
    host.engine.container_remove(record.id, force=True)
