"""A real engine on a throwaway home, for tests on the real kernel: short words for what they do all the time."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.containers.record import ContainerRecord
from engine.containers.spec import ContainerSpec
from engine.facade import Engine
from tests.support.home import Home
from tests.support.processes import eventually


class Host:
    """One home with an engine that is ready to run containers of `image`."""

    def __init__(self, home: Home, image: str) -> None:
        self.home = home
        self.image = image
        self.engine = Engine(home.config)
        self.engine.reconcile()
        self.engine.images.pull(image)

    def spec(self, *command: str, **changes: Any) -> ContainerSpec:
        fields = {
            "id": secrets.token_hex(32),
            "name": f"test-{secrets.token_hex(4)}",
            "image": self.image,
            "command": command,
            **changes,
        }
        return ContainerSpec(**fields)

    def run(self, *command: str, **changes: Any) -> ContainerRecord:
        """Create and start."""
        spec = self.spec(*command, **changes)
        self.engine.container_create(spec)
        return self.engine.container_start(spec.id)

    def ended(self, container_id: str, seconds: float = 20) -> ContainerRecord:
        record = self.engine.container_wait(container_id, seconds)
        assert record is not None, f"still {self.engine.container_get(container_id).status} after {seconds} s"
        return record

    def log(self, container_id: str, stream: str | None = None) -> bytes:
        """Everything that was logged, of one stream or of both."""
        reader, cursor, parts = self.engine.container_logs(container_id), 0, []
        while chunks := reader.read(cursor):
            cursor = chunks[-1].end
            parts += [chunk.data for chunk in chunks if stream in (None, chunk.stream)]
        return b"".join(parts)

    def says(self, container_id: str, text: bytes, seconds: float = 10) -> None:
        """Wait until the log holds `text`."""
        eventually(lambda: text in self.log(container_id), seconds=seconds, what=f"{text!r} in the log")

    def events(self, container_id: str) -> list[str]:
        entries = self.engine.journal.read(0, limit=100_000)
        return [entry.kind.removeprefix("container.") for entry in entries if entry.subject == container_id]

    def is_clean(self, *container_ids: str) -> bool:
        """Nothing of these containers (or of any) is left; a namespace goes a moment after its last process."""
        eventually(lambda: not self.home.leaks(*container_ids), seconds=5, what=f"no leak in {self.home.leaks()}")
        return True

    # ---- murder

    def helper_pids(self, module: str) -> list[int]:
        """Processes of this home that run `module`, for example engine.keeper."""
        found = []
        for pid in self.home.own_processes():
            words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") if Path(f"/proc/{pid}").exists() else []
            if module.encode() in words:
                found.append(pid)
        return found

    def keeper_pid(self) -> int:
        (pid,) = self.helper_pids("engine.keeper")
        return pid

    def kill_hard(self, pid: int) -> None:
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not _is_there(pid), what=f"the end of {pid}")


def _is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def timed(action: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000
