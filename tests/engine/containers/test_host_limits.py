"""What all containers and builds of a host have together, met by those that run."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.build.context import Context
from engine.build.spec import BuildSpec
from engine.errors import EngineError
from engine.facade import Engine
from tests.engine.containers.test_updating import value
from tests.support.builds import made
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

MIB = 1 << 20
FULL = "sleep 1000 & sleep 1000 & sleep 1000 & sleep 1000 & wait"


@pytest.fixture
def host(tidy_host: Host) -> Iterator[Host]:
    yield tidy_host
    tidy_host.engine.limit_host(None, None, None)


def test_what_runs_meets_them_with_builds_and_the_next_worker_keeps_them(host: Host) -> None:
    first = host.run("sh", "-c", "sleep 1000 & sleep 1000 & echo here; wait")
    host.says(first.id, b"here")
    host.engine.limit_host(None, 1.5, 5)
    second = host.run("sh", "-c", "(sleep 1000 & sleep 1000 & sleep 1000 &) ; echo all of them")
    host.ended(second.id)
    assert b"can't fork" in host.log(second.id), "three of the five are the first's"
    again = Engine(host.engine.config)  # as the next worker has it
    again.reconcile()
    assert (again.host_quota.limits.pids, again.host_quota.limits.cpus) == (5, 1.5)
    with made({}) as directory, Context.from_directory(directory) as context:
        spec = BuildSpec(dockerfile_text=f"FROM {host.image}\nRUN {FULL}\n")
        with pytest.raises(EngineError):
            again.builder.build(spec, context)
    again.limit_host(None, None, None)
    third = host.run("sh", "-c", "(sleep 1000 & sleep 1000 & sleep 1000 &) ; echo all of them")
    host.says(third.id, b"all of them")
    assert b"can't fork" not in host.log(third.id)


def test_processor_time_of_a_container_comes_back_with_the_hosts(host: Host) -> None:
    record = host.run("sleep", "1000", cpus=1.0)
    for cpus, least in ((0.25, "25000"), (0.5, "50000"), (None, "100000")):
        host.engine.limit_host(None, cpus, None)
        quota = value(host, record, "cpu.cfs_quota_us", "cpu.max").split()[0]
        assert quota in (least, "100000"), "version 2 compares by itself"


def test_a_container_that_is_killed_for_them_is_told_so(host: Host) -> None:
    host.engine.limit_host(64 * MIB, None, None)
    record = host.run("sh", "-c", "head -c 100000000 /dev/zero | tail -c 90000000 | wc -c; echo survived")
    host.ended(record.id)
    assert b"90000000" not in host.log(record.id)
    eventually(lambda: host.engine.container_get(record.id).oom_killed, what="the kill in its record")
