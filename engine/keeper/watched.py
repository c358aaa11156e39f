"""One container in the keeper's eyes: its pipes, its process, its log."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from engine.containers import log_limits
from engine.containers.pipes import STREAMS
from engine.keeper.flow import Flow
from engine.keeper.terminal import Terminal
from engine.logs.packer import Packer
from engine.logs.writer import LogWriter
from engine.runtime import foster
from engine.runtime import record as runs

TERMINAL = "terminal"
RUNNING = "running"
MONITOR_SECONDS = 2.0
ENDED = "ended"
"""Its process is gone and its pipes are empty; what follows is the hands' work."""


class Watched:
    """`run` is the last run that was adopted, 0 before the first. Descriptors are plain numbers, closed by us."""

    def __init__(self, container_id: str, directory: Path, packer: Packer) -> None:
        self.id = container_id
        self.directory = directory
        self.run = 0
        self.phase = ENDED
        self._ended_at = 0.0
        self.pidfd: int | None = None
        self._found: dict[str, Any] = {}
        self.pipes: dict[int, str] = {}
        self._flows: dict[int, Flow] = {}
        self._terminal: Terminal | None = None
        self._log: LogWriter | None = None
        self._packer = packer

    def adopt(self) -> bool:
        """Take up the current run if it is a new one; False when there is nothing new.

        Afterwards `pidfd` is None if the process has ended already.
        """
        found = runs.read_run(str(self.directory))
        if found is None or found["run"] <= self.run:
            return False
        self.release()
        for name in STREAMS:
            self._open_pipe(name)
        self.run = found["run"]
        self.phase = RUNNING
        self._ended_at = 0.0
        self._found = found
        self.open_terminal()
        self.pidfd = _pidfd(found["pid"], found["start_ticks"])
        return True

    def open_terminal(self) -> int | None:
        """The master of the container's terminal, if it has one that is not open yet; `pipes` has it from here on."""
        if self._terminal is not None or not self._found.get("terminal"):
            return None
        self._terminal = Terminal.of(self.directory)
        if self._terminal is None:
            return None
        if Terminal.STREAM not in self.pipes.values():  # it had no writer for a moment
            self._open_pipe(Terminal.STREAM)
        self.pipes[self._terminal.master] = TERMINAL
        return self._terminal.master

    def is_unborn(self) -> bool:
        """Whether its process still waits to become the program."""
        if self.phase != RUNNING or self.pidfd is None or runs.is_program(self._found):
            return False
        # Another runtime's container is known to be started by the file alone.
        return "runtime" not in self._found or not runs.is_program(runs.read_run(str(self.directory)) or self._found)

    def pump(self, descriptor: int) -> int | None:
        """Move what waits in one pipe to the log: the number of bytes, 0 at the stream's end, None if empty."""
        if self._log is None:
            limits = log_limits.load(self.directory)
            self._log = LogWriter(self.directory / "log", full=self._packer.submit, **limits)
        if self._terminal is None or descriptor != self._terminal.master:
            return self._log.pump(descriptor, self.pipes[descriptor])
        pipe = next(pipe for pipe, name in self.pipes.items() if name == Terminal.STREAM)
        self._log.pump(pipe, Terminal.STREAM)  # which makes room
        moved = self._terminal.move()
        self._log.pump(pipe, Terminal.STREAM)
        return moved

    def rest_seconds(self, descriptor: int, moved: int) -> float:
        """For how long a pipe may be left alone of which so much was just moved; not at all, but for loud ones."""
        if self.pipes[descriptor] == TERMINAL:
            return 0.0
        flow = self._flows.get(descriptor) or self._flows.setdefault(descriptor, Flow(descriptor))
        return flow.moved(moved)

    def give_back(self) -> None:
        """Make pipes small again that are loud no more."""
        for flow in self._flows.values():
            flow.give_back()

    def drain(self) -> None:
        """After the end: nobody can write any more, so empty is empty. Opens again what was closed early."""
        for name in STREAMS:
            if name not in self.pipes.values():
                self._open_pipe(name)
        self.open_terminal()
        for descriptor in sorted(self.pipes, key=lambda descriptor: self.pipes[descriptor] != TERMINAL):
            while self.pump(descriptor):
                pass

    def is_told(self) -> bool:
        """After the end: whether it is written down how it ended, or nobody can tell any more.

        That is the monitor's to do, and the launcher's if the monitor was killed. If both were, it is done here.
        """
        directory = str(self.directory)
        told = runs.read_exit(directory, self.run)
        if self.pidfd is None or (told is not None and not told[2]):
            return True
        if runs.start_ticks(self._found["monitor_pid"]) == self._found["monitor_start_ticks"]:
            self._ended_at = self._ended_at or time.monotonic()
            return time.monotonic() - self._ended_at > MONITOR_SECONDS
        status = foster.exit_seen(self._found["pid"], self.pidfd)
        if status is not None:
            with contextlib.suppress(OSError):  # it has been removed, or the disk has failed
                foster.write_exit(directory, self.run, status)
        return True

    def _open_pipe(self, name: str) -> None:
        descriptor = os.open(self.directory / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self.pipes[descriptor] = name

    def close_pipe(self, descriptor: int) -> None:
        self.pipes.pop(descriptor, None)
        self._flows.pop(descriptor, None)
        if self._terminal is not None and descriptor == self._terminal.master:
            self._terminal.close()
            self._terminal = None
        else:
            os.close(descriptor)

    def release(self) -> None:
        """Close everything that belongs to a run; the log too, so that nothing is kept for what rests."""
        for descriptor in list(self.pipes):
            self.close_pipe(descriptor)
        if self.pidfd is not None:
            os.close(self.pidfd)
            self.pidfd = None
        if self._log is not None:
            with contextlib.suppress(OSError):
                self._log.close()
            self._log = None


def _pidfd(pid: int, start_ticks: int) -> int | None:
    """A descriptor of exactly this process, None when it is gone; the number may belong to another by now."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return None
    if runs.start_ticks(pid) != start_ticks:
        os.close(descriptor)
        return None
    return descriptor
