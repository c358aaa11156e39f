"""Many hands on the same few containers: whatever order it comes in, record and kernel agree in the end."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.errors import AlreadyExists, Conflict, NotFound, Unavailable
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


def test_record_and_kernel_agree_after_a_crowd(host: Host) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    specs = [
        host.spec("sleep", "100", name="calm"),
        host.spec("sh", "-c", "sleep 0.05; exit 3", name="short", restart="always"),
        host.spec("sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.02; done", name="polite"),
    ]
    engine = host.engine
    verbs = [
        engine.container_create,
        lambda spec: engine.container_start(spec.id),
        lambda spec: engine.container_start(spec.name),
        lambda spec: engine.container_stop(spec.id, 0.2),
        lambda spec: engine.container_kill(spec.id),
        lambda spec: engine.container_restart(spec.id, 0.1),
        lambda spec: engine.container_pause(spec.id),
        lambda spec: engine.container_unpause(spec.id),
        lambda spec: engine.container_remove(spec.id, force=True),
        lambda _: engine.inventory(),
        lambda _: engine.containers.recover(),
    ]
    end = time.monotonic() + 8

    def work(number: int) -> int:
        chance, count = random.Random(seed + number), 0
        while time.monotonic() < end:
            verb, spec = chance.choices(verbs, [6, 6, 3, 3, 2, 2, 2, 3, 1, 1, 1])[0], chance.choice(specs)
            try:
                verb(spec)
                count += 1
            except (NotFound, Conflict, AlreadyExists):
                pass
            except Unavailable as error:
                # Only here are ids used again: a kill may wait for the end of its container's successor.
                assert "has not ended" in error.message
        return count

    with ThreadPoolExecutor(6) as pool:
        done = sum(pool.map(work, range(6)))
    print(f"{done} verbs")

    def agree() -> bool:
        records = {record.id: record for record in engine.container_list()}
        running = {id for id, record in records.items() if record.status in ("running", "paused")}
        for container_id in running:
            assert engine.runtime.is_alive(host.home.config.containers / container_id)
        assert set(engine.cgroups.list()) == running
        assert len(host.home.veths()) == len(running)
        return True

    stopped = [record for record in engine.container_list() if record.spec.restart != "no"]
    for record in stopped:
        engine.container_stop(record.id, 0)
    eventually(agree, what="agreement of record and kernel")
    for record in engine.container_list():
        engine.container_remove(record.id, force=True)
    assert host.is_clean() and list(host.home.config.containers.iterdir()) == []
    assert engine.containers.recover() == []
