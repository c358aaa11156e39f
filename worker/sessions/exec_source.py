"""A further process in a container, as a session's source."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.errors import EngineError
from engine.runtime.execs import ExecSpec, Stdio
from worker.contract import sessions
from worker.contract.wire import from_wire

END_SECONDS = 5.0


class ExecSource:
    """See `source.Source`. Raises what the engine refuses."""

    def __init__(self, engine: Any, container_id: str, parameters: Mapping[str, Any]) -> None:
        wish = from_wire(sessions.ExecParameters, parameters)
        spec = ExecSpec(
            args=wish.command,
            env=[f"{name}={value}" for name, value in wish.env.items()],
            unset=wish.unset,
            user=wish.user,
            cwd=wish.workdir,
            tty=wish.tty,
            size=None if wish.size is None else (wish.size.rows, wish.size.columns),
            privileged=wish.privileged,
        )
        self._engine, self._container = engine, container_id
        self.stdin: int | None = None
        self.outputs: dict[int, int] = {}
        self._terminal: int | None = None
        self._is_left, self._is_bound = wish.detached, wish.bound
        if wish.detached:
            self._id, self._pid = self._start_detached(spec)
        elif wish.tty:
            self._id, self._pid = self._start_terminal(spec)
        else:
            self._id, self._pid = self._start_piped(spec, wish.stdin)
        self.ended: int | None = self._end_descriptor()

    def described(self) -> dict[str, Any]:
        return {"exec": self._id}

    def close_stdin(self) -> None:
        if self.stdin is not None and self._terminal is None:
            os.close(self.stdin)
            self.stdin = None

    def resize(self, rows: int, columns: int) -> None:
        if self._terminal is not None:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def result(self) -> dict[str, Any]:
        """`close` tells the journal: whoever waits need not wait for that."""
        status = self._engine.container_exec_wait(self._container, self._id, END_SECONDS, is_told=False)
        return {"exit_code": None if status is None else status.code}

    def leave(self) -> None:
        """Nobody listens any more, and nobody is to tell the process."""
        self._is_left = True

    def close(self) -> None:
        for descriptor in {*self.outputs, self.stdin, self.ended} - {None}:
            os.close(descriptor)
        self.stdin, self.outputs, self.ended = None, {}, None
        with contextlib.suppress(EngineError):  # one that still runs is told that nobody listens any more
            if self._engine.container_exec_status(self._container, self._id) is None:
                if self._is_bound and not self._is_left:
                    self._engine.container_exec_kill(self._container, self._id)
                elif not self._is_left:
                    self._engine.container_exec_signal(self._container, self._id, "SIGHUP")
            else:
                self._engine.container_exec_remove(self._container, self._id)

    def _start_detached(self, spec: ExecSpec) -> tuple[str, int]:
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        try:
            started = self._engine.container_exec(
                self._container, replace(spec, tty=False, size=None), Stdio(nothing, nothing, nothing)
            )
        finally:
            os.close(nothing)
        return started.id, started.pid

    def _start_terminal(self, spec: ExecSpec) -> tuple[str, int]:
        started = self._engine.container_exec(self._container, spec)
        self._terminal = self.stdin = started.master
        self.outputs = {started.master: sessions.STDOUT}
        return started.id, started.pid

    def _start_piped(self, spec: ExecSpec, has_stdin: bool) -> tuple[str, int]:
        pipes = [os.pipe() for _ in range(3)]
        (stdin, self_in), (self_out, stdout), (self_err, stderr) = pipes
        try:
            started = self._engine.container_exec(
                self._container, spec, Stdio(stdin if has_stdin else None, stdout, stderr)
            )
        except BaseException:
            for descriptor in (self_in, self_out, self_err):
                os.close(descriptor)
            raise
        finally:
            for descriptor in (stdin, stdout, stderr):
                os.close(descriptor)
        self.outputs = {self_out: sessions.STDOUT, self_err: sessions.STDERR}
        if has_stdin:
            self.stdin = self_in
        else:
            os.close(self_in)
        return started.id, started.pid

    def _end_descriptor(self) -> int:
        """Readable when the process has ended.

        Its number may be another's once its end is on record, so the record is asked after the descriptor is there.
        """
        descriptor = None
        with contextlib.suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self._pid)
        if descriptor is not None and self._engine.container_exec_status(self._container, self._id) is None:
            return descriptor
        if descriptor is not None:
            os.close(descriptor)
        descriptor, writer = os.pipe()
        os.close(writer)
        return descriptor
