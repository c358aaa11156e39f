"""The keeper's hands: the whole engine in a child process, for what the loop must not wait for.

One request is a JSON array `[verb, container id, run]` on the inherited socket, one answer an `Outcome`. The end
of the socket is the end of the process, once what it does is done.
"""

from __future__ import annotations

import json
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from engine.config import EngineConfig
from engine.containers import states
from engine.containers.catalog import Busy
from engine.containers.reaping import is_to_be_removed
from engine.containers.record import ContainerRecord
from engine.containers.starting import LOOK_SECONDS
from engine.errors import Conflict, EngineError, NotFound
from engine.facade import Engine
from engine.keeper.checks import HEAL, VERBS
from engine.keeper.dispatch import Outcome
from engine.keeper.memory import OOM

log = logging.getLogger(__name__)

THREADS = 4
"""How many containers are started or reaped at a time, also after a boot of the host."""
CHECK_THREADS = 32
"""How many health checks run at a time: a check takes as long as it takes, and most of that it sleeps."""
BUSY_SECONDS = 0.1
CHECK_BUSY_SECONDS = 0.5
RETRY_SECONDS = 2.0


def attend(engine: Engine, verb: str, container_id: str, run: int) -> Outcome:
    """Do a health check (or end what one found unhealthy, or look at what was killed) and say what shall follow.

    Never raises.
    """
    try:
        if verb == OOM:
            engine.containers.tell_oom(container_id, run)
            return Outcome(verb, container_id, run)
        if verb == HEAL:
            engine.containers.restart_unhealthy(container_id, run)
            return Outcome(verb, container_id, run, again_seconds=RETRY_SECONDS)  # of use only if it still runs
        turn = engine.containers.check(container_id, run)
    except NotFound:
        return Outcome(verb, container_id, run)
    except Busy:
        return Outcome(verb, container_id, run, again_seconds=CHECK_BUSY_SECONDS)
    except Exception:
        log.exception("%s of container %s failed", verb, container_id[:12])
        return Outcome(verb, container_id, run, again_seconds=RETRY_SECONDS)
    return Outcome(verb, container_id, run, again_seconds=turn.again_seconds, heals=turn.heals)


def do(engine: Engine, verb: str, container_id: str, run: int) -> Outcome:
    """Do one job and say what shall follow; never raises."""
    try:
        if verb == "restart":
            record = engine.containers.restart_by_policy(container_id, run)
        else:
            record = engine.containers.reap(container_id, run, wait=False)
            if is_to_be_removed(record):
                engine.containers.remove_ended(container_id)
                return Outcome(verb, container_id, run)
    except NotFound:
        engine.containers.forget_mark(container_id)
        return Outcome(verb, container_id, run)
    except Busy:
        return Outcome(verb, container_id, run, again_seconds=BUSY_SECONDS)
    except Conflict:  # started again between its end and its removal
        return Outcome(verb, container_id, run, again_seconds=RETRY_SECONDS)
    except EngineError as error:
        if verb == "restart":  # the record says why; the policy ends here, as nothing has run
            log.warning("container %s could not be restarted: %s", container_id[:12], error.message)
            return Outcome(verb, container_id, run)
        log.warning("container %s could not be reaped: %s", container_id[:12], error.message)
        return Outcome(verb, container_id, run, again_seconds=RETRY_SECONDS)
    except Exception:  # a bug in one container's affairs must not keep the others waiting
        log.exception("%s of container %s failed", verb, container_id[:12])
        return Outcome(verb, container_id, run, again_seconds=RETRY_SECONDS)
    return Outcome(
        verb,
        container_id,
        run,
        current_run=record.run,
        is_running=record.status in states.ALIVE,
        restart_at=_restart_at(record) if record.status == states.RESTARTING else None,
    )


def _restart_at(record: ContainerRecord) -> float | None:
    """When its restart is due, never longer from now than it has to wait: the clock may have been set back since."""
    latest = time.time() + max(record.restart_delay_seconds, LOOK_SECONDS)
    return None if record.restart_at is None else min(record.restart_at, latest)


def main() -> None:
    logging.basicConfig(format="%(asctime)s hands %(levelname)s %(message)s", level=logging.INFO)
    connection = socket.socket(fileno=int(sys.argv[1]))
    engine = Engine(EngineConfig.from_environment())
    sending = threading.Lock()

    def work(task: Callable[[Engine, str, str, int], Outcome], verb: str, container_id: str, run: int) -> None:
        outcome = task(engine, verb, container_id, run)
        with sending:
            connection.send(json.dumps(asdict(outcome)).encode())

    with ThreadPoolExecutor(THREADS) as pool, ThreadPoolExecutor(CHECK_THREADS) as checks:
        while request := connection.recv(4096):
            verb, container_id, run = json.loads(request)
            if verb in VERBS or verb == OOM:
                checks.submit(work, attend, verb, container_id, run)
            else:
                pool.submit(work, do, verb, container_id, run)


if __name__ == "__main__":
    main()
