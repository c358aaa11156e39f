"""Attaching: input for the process that a container runs. Its output is the log, from where it ended then.

Any number of people may attach at once; each has a writing end of the same pipe, or a duplicate of the same
terminal's master. Whoever leaves only closes it: the monitor's own keeps the input open (monitor.py).

One may also attach ahead of a start: what the run says is in the log from the place where that ends now, and its
input is there once `begin` finds that it runs. While anybody is attached, `auto_remove` waits (`held_by_somebody`).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from pathlib import Path

from engine.containers import events, states
from engine.containers.parts import Parts
from engine.containers.record import ContainerRecord
from engine.errors import Conflict, NotFound
from engine.logs.reader import LogReader
from engine.runtime import held, terminal

LOCK = "attached.lock"
ATTACHED = "attached."
"""Of each who is attached there is a file `attached.<run>.<anything>`, whose lock is held: it tells who has left by
dying, and which run was left."""


class Attachment:
    """One who is attached. Not safe for threads; `close` it, the container runs on.

    `stdin`: a descriptor that does not block, ours; None without an input, when it has ended, or before the start.
    `run`: the run it is attached to, or the next one. `cursor`: where the log ended. `has_terminal`: what a keyboard
    says goes in raw, control characters too.
    """

    def __init__(self, parts: Parts, record: ContainerRecord, *, ahead: bool) -> None:
        self._parts, self._id = parts, record.id
        self._directory = parts.catalog.directory(record.id)
        self._once, self.takes_input = record.spec.stdin_once, record.spec.stdin_open
        self.run, self.has_terminal = record.run + 1 if ahead else record.run, record.spec.tty
        self.is_waiting = ahead
        self.stdin: int | None = None
        self._master: int | None = None
        self._size: tuple[int, int] | None = None
        self._is_over = False
        self._lock = _hold(self._directory)
        self._name = f"{ATTACHED}{self.run}.{secrets.token_hex(8)}"
        self._presence = _hold(self._directory, self._name)
        self.cursor = LogReader(self._directory / "log").end()
        if not ahead:
            self._open()
        _tell(parts, record, self._name, _ATTACH)

    def begin(self) -> bool:
        """After attaching ahead: take up the run that has begun; whether there is nothing more to wait for."""
        if not self.is_waiting:
            return True
        record = self._parts.catalog.get(self._id)
        if record.run < self.run:
            return False
        if record.status in states.ALIVE and self.takes_input:
            self._open()
            if self.stdin is None:
                return False  # it is just being born
        self.is_waiting = False
        if self._size is not None:
            self.resize(*self._size)
        if self._is_over:
            self.close_stdin()
        return True

    def resize(self, rows: int, columns: int) -> None:
        """The terminal's size, for all who are attached; nothing happens without a terminal."""
        self._size = (rows, columns)
        if self._master is not None:
            terminal.resize(self._master, rows, columns)
            with contextlib.suppress(NotFound):
                record = self._parts.catalog.get(self._id)
                events.news(self._parts.journal, "resize", record, height=rows, width=columns)

    def close_stdin(self) -> None:
        """No more input of ours. With `stdin_once` the container's input ends, when nobody else is attached."""
        self._is_over = True
        if self.is_waiting:
            return
        if self.stdin is not None:
            os.close(self.stdin)
            self.stdin = None
        if self._once and not self.has_terminal:
            held.let_go_of_stdin(self._directory)

    def close(self) -> None:
        """Detach."""
        if self._lock is None:
            return
        with contextlib.suppress(NotFound):  # it is gone, and with it who was attached
            _leave(self._parts, self._parts.catalog.get(self._id), self._name)
        for descriptor in (self._master, self.stdin, self._lock, self._presence):
            if descriptor is not None:
                os.close(descriptor)
        self._master = self.stdin = self._lock = self._presence = None

    def _open(self) -> None:
        if self.has_terminal and self._master is None:
            self._master = held.terminal(self._directory)
        if not self.takes_input:
            self.stdin = None
        elif self.has_terminal:
            self.stdin = None if self._master is None else os.dup(self._master)
        else:
            self.stdin = held.stdin(self._directory)
        for descriptor in (self._master, self.stdin):
            if descriptor is not None:
                os.set_blocking(descriptor, False)


def attach(parts: Parts, container_id: str, *, ahead: bool = False) -> Attachment:
    """Attach to a running container; with `ahead` to the next run of one that does not run.

    Conflict for one that doesn't run or is paused, and with `ahead` for one that runs.
    """
    record = parts.catalog.get(container_id)
    if ahead and record.status in (*states.ALIVE, states.RESTARTING):
        raise Conflict(
            f"can't attach ahead to container {record.name}, which is {record.status}: attach to what runs instead",
            {"status": record.status, "verb": "attach"},
        )
    if not ahead:
        states.require("attach", record.status, record.name)
    return Attachment(parts, record, ahead=ahead)


def sweep(parts: Parts, container_id: str) -> str | None:
    """For recovery: those have left who were attached by a process that is no more; returns what was done, if any."""
    directory = parts.catalog.directory(container_id)
    gone = 0
    for name in sorted(os.listdir(directory)):
        if name.startswith(ATTACHED) and name != LOCK and not held_by_somebody(directory, name):
            _leave(parts, parts.catalog.get(container_id), name)
            gone += 1
    return f"noted that {gone} left who were attached to container {container_id[:12]}" if gone else None


_ATTACH, _DETACH = (1, "attach"), (2, "detach")


def _leave(parts: Parts, record: ContainerRecord, name: str) -> None:
    """Tell that somebody has left who came, and forget both; a death in between leaves it to `sweep`.

    Who stays to the end has not left: as with Docker, nothing is told of those whose run is over.
    """
    if _goes_on(record, name) and events.told(parts, record.id, name):
        _tell(parts, record, name, _DETACH)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(parts.catalog.directory(record.id) / name)
    events.forget(parts, record.id, name)


def _goes_on(record: ContainerRecord, name: str) -> bool:
    """Whether the run that `name` is attached to goes on; of a name without a run (of an older version), any."""
    run = name.removeprefix(ATTACHED).rpartition(".")[0]
    return record.status in states.ALIVE and (not run or int(run) == record.run)


def _tell(parts: Parts, record: ContainerRecord, name: str, what: tuple[int, str]) -> None:
    number, action = what
    attributes = {"action": action, **events.labelled(record)}
    events.once(parts, record.id, name, number, [(events.ACTION, record.id, attributes)])


def held_by_somebody(directory: Path, name: str = LOCK) -> bool:
    """Whether anybody is attached who may not have read the last words yet; a killed one lets go by itself."""
    try:
        descriptor = os.open(directory / name, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _hold(directory: Path, name: str = LOCK) -> int | None:
    descriptor = os.open(directory / name, os.O_RDONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor
