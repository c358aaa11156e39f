"""What a build tells while it goes on: one event for each change of a step, and for what a step prints."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

QUEUED, STARTED, CACHED, DONE = "queued", "started", "cached", "done"
FAILED, CANCELLED, SKIPPED = "failed", "cancelled", "skipped"
ENDED = frozenset({CACHED, DONE, FAILED, CANCELLED, SKIPPED})
LOG_BYTES = 2 << 20
"""Of one step; what it prints beyond that is left out, and the step says so."""
_TAIL_LINES = 20
_TAIL_BYTES = 8 << 10


@dataclass(frozen=True, slots=True)
class Vertex:
    """A step. `name` as people read it; `stage` as it is called, or stage-N; `inputs`: ids of steps that it needs."""

    id: str
    name: str
    stage: str
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildEvent:
    """`state`: queued, started, cached, done, failed, cancelled, or skipped (not needed after all).

    `started_at`: Unix time; `seconds` that it took, once it has ended; `log`: what it has just printed;
    `size_bytes` that its layer has; `done_bytes` of `total_bytes`: how far a pull or a transfer is; `error`: why it
    failed.
    """

    vertex: Vertex
    state: str
    started_at: float | None = None
    seconds: float | None = None
    log: bytes = b""
    size_bytes: int | None = None
    done_bytes: int | None = None
    total_bytes: int | None = None
    error: str = ""


Progress = Callable[[BuildEvent], None]


class Step:
    """One vertex on its way. Made by `Reporter.step`; used by one thread."""

    def __init__(self, reporter: Reporter, vertex: Vertex) -> None:
        self._reporter = reporter
        self.vertex = vertex
        self.state = QUEUED
        self.started_at: float | None = None
        self._tail: deque[bytes] = deque(maxlen=_TAIL_LINES)
        self._rest = b""
        self._logged = 0

    def start(self, name: str | None = None) -> None:
        """It is at work; `name`: what it is called now that its variables are known."""
        if name is not None and name != self.vertex.name:
            self.vertex = Vertex(self.vertex.id, name, self.vertex.stage, self.vertex.inputs)
        if self.started_at is None:
            self.started_at = time.time()
        self.state = STARTED
        self._tell()

    def log(self, data: bytes) -> None:
        """Something that it prints."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        self._tail.extend(lines)
        self._rest = self._rest[-_TAIL_BYTES:]
        if self._logged >= LOG_BYTES:
            return
        kept = data[: LOG_BYTES - self._logged]
        self._logged += len(data)
        if len(kept) < len(data) or self._logged >= LOG_BYTES:
            kept += b"\n[a step's log ends at %d MiB: the rest is left out]\n" % (LOG_BYTES >> 20)
        self._tell(log=kept)

    def moved(self, done_bytes: int, total_bytes: int) -> None:
        """How far it is."""
        self._tell(done_bytes=done_bytes, total_bytes=total_bytes)

    def end(self, state: str, *, size_bytes: int | None = None, error: str = "") -> None:
        if self.state in ENDED:
            return
        self.state = state
        seconds = None if self.started_at is None else max(0.0, time.time() - self.started_at)
        self._tell(seconds=seconds, size_bytes=size_bytes, error=error)

    @property
    def tail(self) -> list[str]:
        """The last lines that it printed."""
        lines = [*self._tail, *([self._rest] if self._rest else [])]
        return [line[:500].decode(errors="replace").rstrip("\r") for line in lines[-_TAIL_LINES:]]

    def _tell(self, **more: object) -> None:
        self._reporter.tell(self, more)


class Reporter:
    """Passes events on, one at a time, from whatever thread. An error of the listener's is the build's.

    `platform`: of a build for several, the one whose steps these are; ids and names say so.
    """

    def __init__(self, progress: Progress | None, platform: str = "") -> None:
        self._progress = progress
        self._platform = platform
        self._prefix = f"{platform.replace('/', '-')}." if platform else ""
        self._lock = threading.Lock()
        self._steps: list[Step] = []

    def step(self, identifier: str, name: str, stage: str, inputs: Sequence[str] = ()) -> Step:
        """One more vertex, which is told at once."""
        if self._platform:
            name = f"[{self._platform} {name[1:]}" if name.startswith("[") else f"[{self._platform}] {name}"
            stage = f"{self._platform} {stage}".rstrip()
        needed = dict.fromkeys(self._own(one) for one in inputs)
        step = Step(self, Vertex(self._own(identifier), name, stage, tuple(needed)))
        with self._lock:
            self._steps.append(step)
        self.tell(step, {})
        return step

    def _own(self, identifier: str) -> str:
        return identifier if identifier.startswith(self._prefix) else self._prefix + identifier

    def tell(self, step: Step, more: dict[str, object]) -> None:
        if self._progress is None:
            return
        event = BuildEvent(vertex=step.vertex, state=step.state, started_at=step.started_at, **more)  # type: ignore[arg-type]
        with self._lock:
            self._progress(event)

    def close(self, state: str) -> None:
        """The build is over: what never began is skipped, what was at work has ended as `state` says."""
        for step in list(self._steps):
            if step.state not in ENDED:
                step.end(SKIPPED if step.state == QUEUED else state)

    def count(self, *states: str) -> int:
        return sum(step.state in states for step in self._steps)
