"""Attaching: input for the process that a container runs. Its output is the log, from where it ended then.

Any number of people may attach at once; each has a writing end of the same pipe, or a duplicate of the same
terminal's master. Whoever leaves only closes it: the monitor's own keeps the input open (monitor.py).
"""

from __future__ import annotations

import os
from pathlib import Path

from engine.containers import states
from engine.containers.parts import Parts
from engine.logs.reader import LogReader
from engine.runtime import held, terminal


class Attachment:
    """One who is attached. Not safe for threads; `close` it, the container runs on.

    `stdin`: a descriptor that does not block, ours; None without an input, or when it has ended. `cursor`: where the
    log ended. `has_terminal`: what a keyboard says goes in raw, control characters too.
    """

    def __init__(
        self, directory: Path, *, run: int, cursor: int, has_terminal: bool, is_open: bool, once: bool
    ) -> None:
        self.run, self.cursor, self.has_terminal = run, cursor, has_terminal
        self._directory, self._once = directory, once
        self._master = held.terminal(directory) if has_terminal else None
        if not is_open:
            self.stdin: int | None = None
        elif has_terminal:
            self.stdin = None if self._master is None else os.dup(self._master)
        else:
            self.stdin = held.stdin(directory)
        for descriptor in (self._master, self.stdin):
            if descriptor is not None:
                os.set_blocking(descriptor, False)

    def resize(self, rows: int, columns: int) -> None:
        """The terminal's size, for all who are attached; nothing happens without a terminal."""
        if self._master is not None:
            terminal.resize(self._master, rows, columns)

    def close_stdin(self) -> None:
        """No more input of ours. With `stdin_once` the container's input ends, when nobody else is attached."""
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None
        if self._once and not self.has_terminal:
            held.let_go_of_stdin(self._directory)

    def close(self) -> None:
        """Detach."""
        for descriptor in (self._master, self.stdin):
            if descriptor is not None:
                os.close(descriptor)
        self._master = self.stdin = None


def attach(parts: Parts, container_id: str) -> Attachment:
    """Attach to a running container. Conflict for one that doesn't run or is paused."""
    record = parts.catalog.get(container_id)
    states.require("attach", record.status, record.name)
    directory = parts.catalog.directory(container_id)
    return Attachment(
        directory,
        run=record.run,
        cursor=LogReader(directory / "log").end(),
        has_terminal=record.spec.tty,
        is_open=record.spec.stdin_open,
        once=record.spec.stdin_once,
    )
