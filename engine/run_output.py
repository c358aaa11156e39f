"""What one run of a container says, from a place in its log until its end: the output of whoever attaches."""

from __future__ import annotations

import contextlib
import select
from collections.abc import Callable, Iterator

from engine.containers import events, states
from engine.errors import NotFound
from engine.facade import Engine
from engine.logs.reader import Chunk

LOOK_SECONDS = 1.0
CHUNK_BYTES = 1 << 18


class RunOutput:
    """`cursor`: where in the log it begins. `exit_code`: how the run ended, None while it runs or if nobody knows.

    The run may be one that has not begun. `at_look` is called whenever it may have, from the thread that reads.
    """

    def __init__(
        self, engine: Engine, container_id: str, run: int, cursor: int, at_look: Callable[[], object] = lambda: None
    ) -> None:
        self._at_look = at_look
        self._engine, self._id, self._run, self._cursor = engine, container_id, run, cursor
        self._reader = engine.container_logs(container_id)
        self._seq = engine.journal.last_seq()
        self.exit_code: int | None = None

    def chunks(self, until: int) -> Iterator[Chunk]:
        """All that comes, with its stream, until the run has ended or the descriptor `until` is readable."""
        may_have_ended = True
        with self._reader.follow() as more, self._engine.journal.listen() as changes:
            while True:
                if may_have_ended:
                    self._look()
                ended = may_have_ended and self._has_ended()
                yield from self._read()
                if ended:
                    return
                ready, _, _ = select.select([more.fileno(), changes.socket.fileno(), until], [], [], LOOK_SECONDS)
                if until in ready:
                    return
                more.drain()
                may_have_ended = changes.wait(0) or not ready

    def _look(self) -> None:
        with contextlib.suppress(NotFound):
            self._at_look()

    def _read(self) -> Iterator[Chunk]:
        with contextlib.suppress(FileNotFoundError):  # removed as soon as it ended
            while chunks := self._reader.read(self._cursor, CHUNK_BYTES):
                yield from chunks
                self._cursor = chunks[-1].end

    def _has_ended(self) -> bool:
        try:
            record = self._engine.container_get(self._id)
        except NotFound:
            self.exit_code = self._told()
            return True
        if record.run < self._run or (record.run == self._run and record.status in states.ALIVE):
            return False
        self.exit_code = record.exit_code if record.run == self._run else self._told()
        return True

    def _told(self) -> int | None:
        """By the journal: the record is gone, or tells of a later run."""
        for entry in self._engine.journal.read(self._seq, limit=100_000):
            if entry.subject == self._id and entry.kind == events.DIED:
                code = entry.attributes.get("exit_code")
                return code if isinstance(code, int) else None
        return None
