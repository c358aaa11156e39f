"""A real engine on a throwaway home, for tests on the real kernel: short words for what they do all the time."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.containers import pipes
from engine.containers.record import ContainerRecord
from engine.containers.spec import ContainerSpec
from engine.facade import Engine
from tests.support.home import Home, command_of
from tests.support.processes import PATIENCE_SECONDS, eventually


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

    def ended(self, container_id: str, seconds: float = PATIENCE_SECONDS) -> ContainerRecord:
        """Its record once it has ended and all that it said is in the log: on a slow machine the record goes ahead."""
        record = self.engine.container_wait(container_id, seconds)
        assert record is not None, f"still {self.engine.container_get(container_id).status} after {seconds} s"
        directory = self.home.config.containers / record.id
        eventually(lambda: not pipes.pending_bytes(directory), seconds=seconds, what="the end of its log")
        return record

    def log(self, container_id: str, stream: str | None = None) -> bytes:
        """Everything that was logged, of one stream or of both."""
        reader, cursor, parts = self.engine.container_logs(container_id), 0, []
        while chunks := reader.read(cursor):
            cursor = chunks[-1].end
            parts += [chunk.data for chunk in chunks if stream in (None, chunk.stream)]
        return b"".join(parts)

    def says(self, container_id: str, text: bytes, seconds: float = PATIENCE_SECONDS) -> None:
        """Wait until the log holds `text`."""
        eventually(lambda: text in self.log(container_id), seconds=seconds, what=f"{text!r} in the log")

    def silent(self, container_id: str) -> bytes:
        """The log of a container that says nothing more, once what was on its way has arrived."""
        said = b""

        def is_silent() -> bool:
            nonlocal said
            said = self.log(container_id)
            time.sleep(0.3)
            return self.log(container_id) == said

        eventually(is_silent, what="silence")
        return said

    def events(self, container_id: str) -> list[str]:
        entries = self.engine.journal.read(0, limit=100_000)
        mine = [entry.kind for entry in entries if entry.subject == container_id]
        return [kind.removeprefix("container.") for kind in mine if kind.startswith("container.")]

    def is_clean(self, *container_ids: str) -> bool:
        """Nothing of these containers (or of any) is left; a namespace goes a moment after its last process."""

        def seen() -> bool:
            leaks = self.home.leaks(*container_ids)
            assert not leaks, leaks
            return True

        eventually(seen, what="a kernel without a trace")
        return True

    # ---- murder

    def helper_pids(self, module: str) -> list[int]:
        """Processes of this home that run `module`, for example engine.keeper."""
        return [pid for pid in self.home.own_processes() if module in command_of(pid).split()]

    def keeper_pid(self) -> int:
        """The keeper's, once there is one alone: whatever it starts is another for a moment, until it is executed."""
        found: list[int] = []

        def alone() -> bool:
            found[:] = self.helper_pids("engine.keeper")
            return len(found) == 1

        eventually(alone, what="one keeper")
        return found[0]

    def kill_hard(self, pid: int) -> None:
        with contextlib.suppress(ProcessLookupError):  # some end with the one that was killed before them
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
