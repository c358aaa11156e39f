"""A person's terminal, or a pipeline, on a session with a process: keys there, output here, size and detaching."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Collection, Iterator
from typing import Any

from client.session import STDERR, Session
from engine.options.detach_keys import DETACH_KEYS, DetachKeys

_CHUNK_BYTES = 1 << 16


def size_of_terminal() -> dict[str, int]:
    """{"rows", "columns"} of ours, nothing where there is none."""
    for descriptor in (1, 0, 2):
        with contextlib.suppress(OSError):
            found = os.get_terminal_size(descriptor)
            if found.lines and found.columns:
                return {"rows": found.lines, "columns": found.columns}
    return {}


class Carrier:
    """Carries bytes between our standard streams and a session, to its end.

    `is_tty`: the other end is a terminal, so that ours becomes raw; `takes_input`: with our standard input, in which
    `keys` leave the session without an end. Of `streams` alone the output is shown.
    """

    def __init__(
        self,
        session: Session,
        *,
        is_tty: bool,
        takes_input: bool,
        keys: str = DETACH_KEYS,
        streams: Collection[str] = ("stdout", "stderr"),
    ) -> None:
        self._session = session
        self._is_tty, self._takes_input = is_tty, takes_input
        self._keys = DetachKeys(keys)
        self._streams = streams
        self._over, self._end = os.pipe()

    def run(self) -> int | None:
        """The exit code, 255 if nobody knows it; None if the keys were typed before."""
        try:
            with _raw(self._is_tty and self._takes_input), _following_size(self._session, self._is_tty):
                if self._takes_input:
                    threading.Thread(target=self._feed, name="input", daemon=True).start()
                for channel, data in self._session:
                    if ("stderr" if channel == STDERR else "stdout") in self._streams:
                        _write(2 if channel == STDERR else 1, data)
        finally:
            os.close(self._end)
        if self._keys.are_typed:
            return None
        return 255 if self._session.exit_code is None else self._session.exit_code

    def _feed(self) -> None:
        """Our input, until it or the session ends."""
        while True:
            ready, _, _ = select.select([0, self._over], [], [])
            if self._over in ready:
                return
            data = os.read(0, _CHUNK_BYTES)
            if not data:
                self._session.send(self._keys.rest())
                self._session.eof()
                return
            self._session.send(self._keys.take(data))
            if self._keys.are_typed:
                self._session.leave()
                return


@contextlib.contextmanager
def _raw(wanted: bool) -> Iterator[None]:
    if not wanted or not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0, termios.TCSADRAIN)  # what was typed ahead is kept
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _following_size(session: Session, wanted: bool) -> Iterator[None]:
    if not wanted:
        yield
        return

    def tell(*_: object) -> None:
        size = size_of_terminal()
        if size:  # from a thread: the signal may come while this one holds the session's lock
            threading.Thread(target=session.resize, args=(size["rows"], size["columns"]), daemon=True).start()

    before = signal.signal(signal.SIGWINCH, tell)
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


@contextlib.contextmanager
def forwarded(kill: Callable[[str], Any], *, wanted: bool) -> Iterator[None]:
    """Signals to us are the container's: `kill` is called with their names, from threads of their own.

    Not from handlers: Python calls those between two instructions of the main thread, and a signal that comes just
    before this waits for output would be heard of with the next output. What is written to the wakeup descriptor is
    there at once (signal.set_wakeup_fd).
    """
    if not wanted:
        yield
        return
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
    heard, wakeup = os.pipe2(os.O_CLOEXEC)
    os.set_blocking(wakeup, False)

    def pass_on() -> None:
        while came := os.read(heard, 64):
            for number in came:
                if number in numbers:
                    threading.Thread(target=kill, args=(signal.Signals(number).name,), daemon=True).start()
        os.close(heard)

    threading.Thread(target=pass_on, name="signals", daemon=True).start()
    descriptor = signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)
    before = {number: signal.signal(number, lambda *_: None) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(descriptor)
        os.close(wakeup)


def _write(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(descriptor, view) :]
        except BlockingIOError:  # somebody else made our terminal non-blocking
            select.select([], [descriptor], [])
