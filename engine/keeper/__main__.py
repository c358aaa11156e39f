"""`python -m engine.keeper`: become this home's keeper, unless it has one. Returns once one listens.

The parent waits for one byte that says "listening", so whoever starts the keeper may wake it at once.
"""

from __future__ import annotations

import fcntl
import gc
import logging
import os
import signal
import socket
import sys
import time

from engine.config import EngineConfig
from engine.keeper.loop import Keeper, listen
from engine.unix_path import short

LOCK_SECONDS = 5.0


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
    logging.basicConfig(format="%(asctime)s keeper %(levelname)s %(message)s", level=logging.INFO)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C of a terminal is not meant for us
    lock = _take_lock(config)
    if lock is None:
        os.write(ready, b"!")
        return
    inbox = listen(config)
    os.write(ready, b"!")
    os.close(ready)
    gc.freeze()
    try:
        Keeper(config, inbox).serve()
    except Exception:
        logging.getLogger(__name__).exception("the keeper stumbled; it is started again at the next use")
        raise
    finally:
        os.close(lock)


def _take_lock(config: EngineConfig) -> int | None:
    """The lock that only one keeper holds; None when another one holds it and listens.

    One that is just leaving has taken its socket away but still holds the lock: wait for it.
    """
    descriptor = os.open(config.run / "keeper.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if _listens(config):
                os.close(descriptor)
                return None
        else:
            return descriptor
        if time.monotonic() > deadline:
            raise SystemExit("another keeper holds the lock but doesn't listen")
        time.sleep(0.02)


def _listens(config: EngineConfig) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        try:
            with short(config.keeper_socket) as address:
                sender.connect(address)
        except OSError:
            return False
    return True


if __name__ == "__main__":
    sys.exit(main())
