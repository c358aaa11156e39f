"""One attachment at a person's terminal or in a pipeline: its log as it comes, our input, and keys that detach."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Iterator

from engine.containers.attaching import Attachment
from engine.errors import Conflict
from engine.exec_session import CHUNK_BYTES, following_size, raw
from engine.facade import Engine
from engine.options.detach_keys import DetachKeys
from engine.run_output import RunOutput


def attend(engine: Engine, name: str, *, interactive: bool, keys: str, cursor: int | None = None) -> int | None:
    """Attach until the container's run ends, and return its exit code; None if the keys were typed before.

    `cursor`: where in the log the output begins, from now on without. Conflict if it doesn't run; with a `cursor` one
    that has ended is no error.
    """
    detach = DetachKeys(keys)
    record = engine.container_get(name)
    attached = None
    try:
        attached = engine.container_attach(record.id)
    except Conflict:
        if cursor is None:
            raise
    until, leave = os.pipe()
    begin = attached.cursor if attached is not None and cursor is None else cursor or 0
    output = RunOutput(engine, record.id, record.run, begin)
    with _surroundings(attached, interactive=interactive):
        if interactive and attached is not None:
            threading.Thread(target=_feed, args=(attached, detach, leave), daemon=True).start()
        for chunk in output.chunks(until):
            target = sys.stderr if chunk.stream == "stderr" else sys.stdout
            target.buffer.write(chunk.data)
            target.flush()
    if detach.are_typed:
        return None
    return 255 if output.exit_code is None else output.exit_code


@contextlib.contextmanager
def _surroundings(attached: Attachment | None, *, interactive: bool) -> Iterator[None]:
    if attached is None or not attached.has_terminal:
        yield
        return
    with raw(interactive), following_size(attached.resize):
        yield


def _feed(attached: Attachment, detach: DetachKeys, leave: int) -> None:
    while data := os.read(0, CHUNK_BYTES):
        _say(attached, detach.take(data))
        if detach.are_typed:
            os.close(leave)
            return
    _say(attached, detach.rest())
    if attached.has_terminal:
        _say(attached, b"\x04")
    else:
        attached.close_stdin()


def _say(attached: Attachment, data: bytes) -> None:
    """Input that nobody reads any more is dropped."""
    poll = select.poll()
    while data and attached.stdin is not None:
        try:
            data = data[os.write(attached.stdin, data) :]
        except BlockingIOError:
            poll.register(attached.stdin, select.POLLOUT)
            poll.poll()
        except OSError:
            return
