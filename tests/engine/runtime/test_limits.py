"""The kernel holds a container to its limits."""

from __future__ import annotations

import time

import pytest

from engine.cgroups import Resources
from engine.stats import cgroup_v1, cgroup_v2
from tests.engine.runtime.box import Box, until

pytestmark = pytest.mark.root


def cpu_seconds(box: Box) -> float:
    """What the container has used, counted by either version of control groups."""
    where = box.cgroups.directories(box.id)
    usage = cgroup_v2.usage(where) if box.cgroups.version == "v2" else cgroup_v1.usage(where)
    return usage.cpu_seconds


def test_a_memory_hog_is_killed_and_counted(box: Box) -> None:
    script = "busybox dd if=/dev/zero of=/dev/null bs=200M count=1"
    code, _, _ = box.result("/bin/sh", "-c", f"exec {script}", resources=Resources(memory_bytes=16 << 20))
    assert code == 137
    assert box.cgroups.oom_kills(box.id) >= 1


def test_a_modest_container_is_not_counted_as_a_hog(box: Box) -> None:
    box.sh("echo fine", resources=Resources(memory_bytes=16 << 20))
    assert box.cgroups.oom_kills(box.id) == 0


def test_the_smallest_memory_limit_still_starts_a_container(box: Box) -> None:
    assert box.sh("echo fine", resources=Resources(memory_bytes=6 << 20)) == "fine\n"


def test_a_fork_bomb_ends_at_the_limit_of_processes(box: Box) -> None:
    script = "n=0; while [ $n -lt 30 ]; do sleep 30 & n=$((n+1)); done; echo all"
    code, out, err = box.result("/bin/sh", "-c", script, resources=Resources(pids_limit=10))
    assert "all" not in out
    assert code != 0
    assert "fork" in err


def test_half_a_processor_is_half_a_processor(box: Box) -> None:
    box.run("/bin/sh", "-c", "while :; do :; done", resources=Resources(cpus=0.25), collect=False)
    began, before = time.monotonic(), cpu_seconds(box)
    time.sleep(1.0)
    assert (cpu_seconds(box) - before) / (time.monotonic() - began) < 0.35


def test_a_frozen_container_stands_still_and_runs_on(box: Box) -> None:
    box.run("/bin/sh", "-c", "while :; do :; done", collect=False)
    box.cgroups.freeze(box.id)
    assert box.cgroups.is_frozen(box.id)
    before = cpu_seconds(box)
    time.sleep(0.1)
    assert cpu_seconds(box) == before
    box.cgroups.thaw(box.id)
    until(lambda: not box.cgroups.is_frozen(box.id))
    until(lambda: cpu_seconds(box) > before)


def test_a_frozen_container_can_be_removed(box: Box) -> None:
    box.run("/bin/sleep", "100", collect=False)
    box.cgroups.freeze(box.id)
    box.cgroups.remove(box.id)
    assert box.wait().code == 137
