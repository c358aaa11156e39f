"""Two hundred short lives: the host's kernel afterwards holds what it held before."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest

from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

LIVES = 200


def test_two_hundred_fast_lives_leave_nothing(host: Host) -> None:
    one_life(host)
    before = traces(host)
    for _ in range(LIVES):
        one_life(host)
    assert host.is_clean()
    eventually(lambda: no_more(traces(host), before), what=f"{before}, not {traces(host)}")
    assert host.engine.container_list() == []


def no_more(now: dict[str, int], before: dict[str, int]) -> bool:
    """`before` may have counted a question that was just being answered."""
    return all(now[name] <= before[name] for name in before)


def one_life(host: Host) -> None:
    spec = host.spec("sleep", "600")
    host.engine.container_create(spec)
    host.engine.container_start(spec.id)
    host.engine.container_kill(spec.id)
    host.engine.container_remove(spec.id)


def traces(host: Host) -> dict[str, int]:
    """What a life could leave, once the pool is full again: figures of the launcher, the home and the machine."""
    runtime = host.engine.runtime
    eventually(lambda: runtime.pooled() == runtime.pool_size, what="a full pool")
    launcher = runtime.ensure_launcher()
    own = [launcher, *map(int, Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split())]
    return {
        "children of the launcher": len(own) - 1,
        "descriptors of the launcher": len(os.listdir(f"/proc/{launcher}/fd")),
        "network namespaces": len({_network_namespace(pid) for pid in own}),
        "mounts of the launcher": len(Path(f"/proc/{launcher}/mountinfo").read_text().splitlines()),
        "files in run": len(os.listdir(host.home.config.run)),
        "directories of containers": len(os.listdir(host.home.config.containers)),
        "snapshots": len(os.listdir(host.home.config.snapshots)),
    }


def _network_namespace(pid: int) -> str | None:
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/net")
    return None
