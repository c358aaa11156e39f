"""What becomes of an exec whose person has left by --detach-keys: it keeps its terminal, and what it says is dropped.

Docker's daemon does that. Here a process of its own does, which `leave` starts and which ends with the exec.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Sequence

from engine.config import EngineConfig
from engine.containers.keeper_link import import_path
from engine.errors import EngineError
from engine.facade import Engine

_CHUNK_BYTES = 1 << 16


def leave(engine: Engine, container: str, exec_id: str, master: int) -> None:
    """Hand the terminal's `master`, which is closed here, to a process that outlives us and our terminal."""
    try:
        subprocess.Popen(
            [sys.executable, "-m", __name__, container, exec_id],
            stdin=master,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env={**os.environ, "PORTSIDE_HOME": str(engine.config.home), "PYTHONPATH": import_path()},
            start_new_session=True,
        )
    finally:
        os.close(master)


def main(arguments: Sequence[str]) -> None:
    """Until the end of the exec, which is told then. The terminal is our standard input."""
    container, exec_id = arguments
    with contextlib.suppress(OSError):  # EIO: its last process is gone
        while os.read(0, _CHUNK_BYTES):
            pass
    engine = Engine(EngineConfig.from_environment())
    with contextlib.suppress(EngineError):  # the container was removed, and its execs with it
        engine.container_exec_wait(container, exec_id)
        engine.container_exec_remove(container, exec_id)


if __name__ == "__main__":
    main(sys.argv[1:])
