"""`python -m worker`: this host's worker, in the foreground until SIGTERM or SIGINT."""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import signal
import sys
import threading

from engine.errors import EngineError
from worker.settings import WorkerSettings

logger = logging.getLogger("worker")

GARBAGE = 50_000
"""Objects made since the last look for cycles, after which there is another one. Python's own 700 have it look two
hundred times while modules are loaded, of which nothing is garbage: a tenth of the start."""
SWITCH_SECONDS = 0.0005
"""A thread that comes back from the disk or the broker gets the interpreter after so long; Python's own 5 ms are as
much as a whole start takes, and there are several such moments in one."""


def main() -> int:
    """The exit code: 0 after a clean stop, 1 when the worker can't begin (the log says why)."""
    gc.set_threshold(GARBAGE, 20, 20)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("celery").setLevel(logging.WARNING)
    try:
        settings = WorkerSettings.from_environment()
    except EngineError as error:
        logger.error("%s", error.message)  # noqa: TRY400  what the user did wrong needs no traceback
        return 1
    if os.geteuid() != 0:
        logger.error("a worker runs containers and must be started by root: try it with sudo")
        return 1
    settings.engine.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings.engine.home.chmod(0o700)  # as `up` does: what lies there is nobody else's to see
    lock = os.open(settings.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        logger.error(  # noqa: TRY400  the traceback of a lock that is taken tells nothing
            "another worker already serves %s: stop it, or choose another PORTSIDE_HOME", settings.engine.home
        )
        return 1
    # Until Celery takes the signals over: a stop in the middle of the start is done cleanly after it.
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sys.setswitchinterval(SWITCH_SECONDS)
    # The engine's and Celery's modules take half a second to load; the lock should not wait for them.
    from engine.facade import Engine
    from worker.service import WorkerService

    try:
        return WorkerService(settings, Engine(settings.engine)).run(stop)
    except EngineError as error:
        logger.error("%s", error.message)  # noqa: TRY400  what the user did wrong needs no traceback
        return 1


if __name__ == "__main__":
    sys.exit(main())
