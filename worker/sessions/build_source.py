"""A folder for builds on its way into the host, as a session's source."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any

from engine.errors import Cancelled
from worker.contract import sessions


class BuildContextSource:
    """Its input is a tar or zip; it is kept under the id that the session is about. See `source.Source`.

    `ended` is readable once all was taken, which may be before the input's end when something of it is wrong.
    """

    chunk_bytes = sessions.ARCHIVE_BYTES
    outputs: Mapping[int, int] = {}

    def __init__(self, engine: Any, context_id: str, _: Mapping[str, Any]) -> None:
        self._engine = engine
        self._id = context_id
        self._cancel = threading.Event()
        self._found: dict[str, Any] = {}
        self._error: BaseException | None = None
        reader, self._writer = os.pipe()
        self.stdin: int | None = self._writer
        self._over_read, self._over_write = os.pipe()
        self.ended: int | None = self._over_read
        self._thread = threading.Thread(target=self._run, args=(reader,), name="context-taking", daemon=True)
        self._thread.start()

    def _run(self, reader: int) -> None:
        try:
            self._found = self._take(reader)
        except BaseException as error:  # noqa: BLE001  whatever it was, `result` raises it
            self._error = error
        finally:
            os.close(reader)
            os.close(self._over_write)

    def _take(self, reader: int) -> dict[str, Any]:
        from engine.build.kept_contexts import KeptContexts

        with self._engine.builder.receive(reader, self._cancel) as context:
            if self._cancel.is_set():  # what looks whole may have been broken off
                raise Cancelled("broken off")
            facts = KeptContexts(self._engine.config.build_contexts).keep(self._id, context)
        return {"bytes": facts.bytes, "files": facts.files}

    def described(self) -> dict[str, Any]:
        return {}

    def close_stdin(self) -> None:
        if self.stdin is not None:
            self.stdin = None
            os.close(self._writer)

    def resize(self, rows: int, columns: int) -> None:
        pass

    def result(self) -> dict[str, Any]:
        """{"bytes", "files"}. Raises what it ran into."""
        self.close_stdin()
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found

    def close(self) -> None:
        """Break off what still runs: nothing is kept."""
        self._cancel.set()
        self.close_stdin()
        self._thread.join()
        os.close(self._over_read)
