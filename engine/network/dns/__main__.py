"""`python -m engine.network.dns`: become this home's resolver, unless it has one. Returns once one listens.

The parent waits for one byte that says "listening", so whoever starts it may speak to it at once.
"""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import resource
import signal
import sys
import time

from engine.config import EngineConfig
from engine.network.dns.link import listens
from engine.network.dns.warden import Warden, listen

LOCK_SECONDS = 5.0
_DESCRIPTORS = 65536


def main() -> int:
    config = EngineConfig.from_environment()
    config.run.mkdir(mode=0o700, parents=True, exist_ok=True)
    reader, writer = os.pipe()
    if os.fork():
        os.close(writer)
        return 0 if os.read(reader, 1) else 1
    os.close(reader)
    os.setsid()
    if os.fork():
        os._exit(0)
    _serve(config, writer)
    os._exit(0)


def _serve(config: EngineConfig, ready: int) -> None:
    logging.basicConfig(format="%(asctime)s dns %(levelname)s %(message)s", level=logging.INFO)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C of a terminal is not meant for us
    lock = _take_lock(config)
    if lock is None:
        os.write(ready, b"!")
        return
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if most == resource.RLIM_INFINITY else min(most, _DESCRIPTORS)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))  # three for each container
    listener = listen(config)
    os.write(ready, b"!")
    os.close(ready)
    gc.freeze()
    try:
        Warden(config, listener).serve()
        config.dns_socket.unlink(missing_ok=True)
    except Exception:
        logging.getLogger(__name__).exception("the resolver stumbled; it is started again by whoever notices")
        raise
    finally:
        os.close(lock)


def _take_lock(config: EngineConfig) -> int | None:
    """The lock that only one has; None when another one has it and listens. One that is just leaving is waited for."""
    descriptor = os.open(config.run / "dns.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if listens(config):
                os.close(descriptor)
                return None
        else:
            return descriptor
        if time.monotonic() > deadline:
            raise SystemExit("another resolver holds the lock but doesn't listen")
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
