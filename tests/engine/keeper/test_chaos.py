"""Everything of ours is killed at random, together, while containers print, die and come back."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time

import pytest

from engine.containers.record import ContainerRecord
from engine.facade import Engine
from tests.support.engine import Host

pytestmark = [pytest.mark.root, pytest.mark.registry, pytest.mark.timeout(400)]

LINES = 25_000
LEAST_KILLS = 6
# The second half comes when there have been kills enough.
BOTH = f"""i=0; go=; trap go=1 USR1
while [ $i -lt {LINES} ]; do
  echo out-$i; [ $((i % 4)) = 0 ] && echo err-$i >&2; i=$((i+1))
  if [ $i = {LINES // 2} ]; then until [ "$go" ]; do usleep 10000; done; fi
done
exit $CODE"""
ROUNDS = """n=$(cat /n 2>/dev/null || echo 0); n=$((n+1)); echo $n > /n; echo round-$n; exit 1"""


def let_go_on(printers: list[ContainerRecord]) -> None:
    for record in printers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(record.pid or 0, signal.SIGUSR1)


def test_nothing_is_lost_whatever_is_killed(host: Host) -> None:
    seed = random.randrange(1 << 30)
    print(f"seed {seed}")
    chance = random.Random(seed)
    printers = [host.run("sh", "-c", BOTH, env={"CODE": str(10 + number)}) for number in range(3)]
    loop = host.run("sh", "-c", ROUNDS, restart="on-failure", restart_limit=5)
    kills = 0
    end = time.monotonic() + 60
    while time.monotonic() < end:
        alive = [r for r in (*printers, loop) if host.engine.container_get(r.id).status in ("running", "restarting")]
        if not alive:
            break
        victims = host.helper_pids("engine.keeper") + host.helper_pids("engine.keeper.hands")
        victims.append(host.engine.runtime.ensure_launcher())
        for pid in chance.sample(victims, chance.randint(1, len(victims))):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            kills += 1
        time.sleep(chance.uniform(0, 0.05))
        if chance.random() < 0.3:
            Engine(host.home.config).reconcile()  # as a worker that has just been started again
        else:
            host.engine.ensure_helpers()
        time.sleep(chance.uniform(0.05, 0.6))
        if kills >= LEAST_KILLS:
            let_go_on(printers)
    print(f"{kills} kills")
    let_go_on(printers)
    out = b"".join(b"out-%d\n" % number for number in range(LINES))
    err = b"".join(b"err-%d\n" % number for number in range(0, LINES, 4))
    for number, record in enumerate(printers):
        ended = host.ended(record.id)
        assert (ended.exit_code, ended.run) == (10 + number, 1)
        assert host.log(record.id, "stdout") == out
        assert host.log(record.id, "stderr") == err
    ended = host.ended(loop.id)
    assert (ended.exit_code, ended.restart_count) == (1, 5)  # an attempt that was taken back used a run number too
    assert host.log(loop.id) == b"".join(b"round-%d\n" % number for number in range(1, 7))
    assert kills >= LEAST_KILLS and host.is_clean()
