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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

from engine.config import EngineConfig
from engine.containers import states
from engine.containers.catalog import Busy
from engine.containers.reaping import is_to_be_removed
from engine.errors import Conflict, EngineError, NotFound
from engine.facade import Engine
from engine.keeper.dispatch import Outcome

log = logging.getLogger(__name__)

THREADS = 4
BUSY_SECONDS = 0.05
RETRY_SECONDS = 2.0


def do(engine: Engine, verb: str, container_id: str, run: int) -> Outcome:
    """Do one job and say what shall follow; never raises."""
    try:
        if verb == "restart":
            record = engine.containers.restart_by_policy(container_id, run)
        else:
            record = engine.containers.reap(container_id, run, wait=False)
            if is_to_be_removed(record):
                engine.containers.remove(container_id)
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
        restart_at=record.restart_at if record.status == states.RESTARTING else None,
    )


def main() -> None:
    logging.basicConfig(format="%(asctime)s hands %(levelname)s %(message)s", level=logging.INFO)
    connection = socket.socket(fileno=int(sys.argv[1]))
    engine = Engine(EngineConfig.from_environment())
    sending = threading.Lock()

    def work(verb: str, container_id: str, run: int) -> None:
        outcome = do(engine, verb, container_id, run)
        with sending:
            connection.send(json.dumps(asdict(outcome)).encode())

    with ThreadPoolExecutor(THREADS) as pool:
        while request := connection.recv(4096):
            pool.submit(work, *json.loads(request))


if __name__ == "__main__":
    main()
