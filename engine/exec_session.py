"""One exec at a person's terminal or in a pipeline: bytes in both directions, until it ends.

With a terminal ours becomes raw, and its size is the other's; without, three pipes. Our own descriptors never go
into the container: its processes could do to our terminal what a keyboard can (TIOCSTI), and see where files lie.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from functools import partial

from engine import exec_left
from engine.facade import Engine
from engine.options.detach_keys import DetachKeys
from engine.runtime import terminal
from engine.runtime.execs import Exec, ExecSpec, Stdio

CHUNK_BYTES = 1 << 16


def attend(engine: Engine, container: str, spec: ExecSpec, *, interactive: bool, keys: str = "") -> int | None:
    """Run it, carry its bytes, and return its exit code. `interactive`: with our standard input.

    With a terminal `keys`, as of --detach-keys, leave it to run on: then None is returned.
    """
    if spec.tty:
        detach = DetachKeys(keys)
        made = engine.container_exec(container, spec)
        assert made.master is not None
        if not _carry_terminal(made.master, detach, interactive=interactive):
            exec_left.leave(engine, container, made.id, made.master)
            return None
        os.close(made.master)
    else:
        made = _with_pipes(engine, container, spec, interactive=interactive)
    status = engine.container_exec_wait(container, made.id)
    engine.container_exec_remove(container, made.id)
    return 255 if status is None else status.code


def size_of(descriptor: int) -> tuple[int, int] | None:
    """(rows, columns) of a terminal; None if it is none."""
    try:
        found = os.get_terminal_size(descriptor)
    except OSError:
        return None
    return found.lines, found.columns


def _with_pipes(engine: Engine, container: str, spec: ExecSpec, *, interactive: bool) -> Exec:
    out, err = os.pipe(), os.pipe()
    given = os.pipe() if interactive else None
    theirs = [out[1], err[1], *([given[0]] if given else [])]
    try:
        made = engine.container_exec(container, spec, Stdio(given[0] if given else None, out[1], err[1]))
    finally:
        for descriptor in theirs:
            os.close(descriptor)
    if given is not None:
        threading.Thread(target=_feed, args=(given[1],), daemon=True).start()
    with selectors.DefaultSelector() as selector:
        selector.register(out[0], selectors.EVENT_READ, 1)
        selector.register(err[0], selectors.EVENT_READ, 2)
        while selector.get_map():
            for key, _ in selector.select():
                data = os.read(key.fd, CHUNK_BYTES)
                if data:
                    _write(int(key.data), data)
                else:
                    selector.unregister(key.fd)
                    os.close(key.fd)
    return made


def _feed(pipe: int) -> None:
    """Our standard input, to its end; the process sees that end."""
    with contextlib.suppress(BrokenPipeError):
        while data := os.read(0, CHUNK_BYTES):
            _write(pipe, data)
    os.close(pipe)


def _carry_terminal(master: int, detach: DetachKeys, *, interactive: bool) -> bool:
    """True at its end, False once the keys were typed."""
    with raw(interactive), following_size(partial(terminal.resize, master)), selectors.DefaultSelector() as selector:
        selector.register(master, selectors.EVENT_READ)
        if interactive:
            selector.register(0, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                try:
                    data = os.read(key.fd, CHUNK_BYTES)
                except OSError:  # EIO: the terminal's last process is gone
                    data = b""
                if key.fd == master:
                    if not data:
                        return True
                    _write(1, data)
                    continue
                _write(master, detach.take(data) if data else detach.rest() + b"\x04")
                if detach.are_typed:
                    return False
                if not data:
                    selector.unregister(0)


@contextlib.contextmanager
def raw(interactive: bool) -> Iterator[None]:
    """Our terminal passes on each key; as it was afterwards."""
    if not interactive or not sys.stdin.isatty():
        yield
        return
    before = termios.tcgetattr(0)
    tty.setraw(0, termios.TCSADRAIN)  # what was typed ahead is kept
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


@contextlib.contextmanager
def following_size(resize: Callable[[int, int], None]) -> Iterator[None]:
    """The other terminal has the rows and columns of ours, now and later."""

    def follow(*_: object) -> None:
        size = size_of(1)
        if size is not None:
            with contextlib.suppress(OSError):
                resize(*size)

    before = signal.signal(signal.SIGWINCH, follow)
    follow()
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
