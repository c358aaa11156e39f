"""The process that a container runs, as a session's source: its log from now on, and its input."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any

from engine.run_output import RunOutput
from worker.contract import sessions
from worker.contract.wire import from_wire

_CHANNELS = {"stdout": sessions.STDOUT, "stderr": sessions.STDERR}


class AttachSource:
    """See `source.Source`. Raises what the engine refuses. Closing it leaves the container as it is.

    A thread carries the log into two pipes, as fast as they are read: the log has every byte, whoever is slow.
    """

    ended: int | None = None
    _is_closed = False

    def __init__(self, engine: Any, container_id: str, parameters: Mapping[str, Any]) -> None:
        wish = from_wire(sessions.AttachParameters, parameters)
        self._attached = attached = engine.container_attach(container_id, ahead=wish.ahead)
        self._takes_input, self._is_ahead = wish.stdin and attached.takes_input, wish.ahead
        self._wake: Callable[[], None] = lambda: None
        self._lock = threading.Lock()
        cursor = attached.cursor if not wish.logs else engine.container_logs(container_id).cursor_at_tail(wish.logs)
        self._output = RunOutput(engine, container_id, attached.run, cursor, self._begin)
        self.stdin: int | None = attached.stdin if wish.stdin else None
        self._until, self._leave = os.pipe()
        self._writers: dict[str, int] = {}
        self.outputs: dict[int, int] = {}
        for stream, channel in _CHANNELS.items():
            reader, self._writers[stream] = os.pipe()
            self.outputs[reader] = channel
        if wish.size is not None:
            self.resize(wish.size.rows, wish.size.columns)
        threading.Thread(target=self._carry, name="attach-output", daemon=True).start()

    def described(self) -> dict[str, Any]:
        ahead = {"ahead": True} if self._is_ahead else {}
        has_input = self._takes_input if self._is_ahead else self.stdin is not None
        return {"run": self._attached.run, "tty": self._attached.has_terminal, "stdin": has_input, **ahead}

    def on_change(self, wake: Callable[[], None]) -> None:
        self._wake = wake

    def close_stdin(self) -> None:
        with self._lock:
            if not self._attached.has_terminal and (self.stdin is not None or self._attached.is_waiting):
                self.stdin = None
                self._attached.close_stdin()

    def resize(self, rows: int, columns: int) -> None:
        with self._lock, contextlib.suppress(OSError):
            self._attached.resize(rows, columns)

    def result(self) -> dict[str, Any]:
        return {"exit_code": self._output.exit_code}

    def close(self) -> None:
        os.close(self._leave)
        for reader in self.outputs:
            os.close(reader)
        with self._lock:
            self._is_closed = True
            self.outputs, self.stdin = {}, None
            self._attached.close()

    def _begin(self) -> None:
        """Called by the thread that carries, whenever the run may have begun."""
        with self._lock:
            if self._is_closed or not self._attached.is_waiting or not self._attached.begin():
                return
            if self._takes_input:
                self.stdin = self._attached.stdin
        self._wake()

    def _carry(self) -> None:
        try:
            for chunk in self._output.chunks(self._until):
                data = chunk.data
                while data:
                    data = data[os.write(self._writers[chunk.stream], data) :]
        except BrokenPipeError:
            pass  # closed
        finally:
            for descriptor in (*self._writers.values(), self._until):
                os.close(descriptor)
