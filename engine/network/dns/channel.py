"""Messages with descriptors between two processes of ours, over a Unix socket that keeps their bounds (unix(7))."""

from __future__ import annotations

import array  # noqa: F401 - the socket module would look for it later, in a root that is empty
import json
import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

MOST_BYTES = 128 << 10
MOST_DESCRIPTORS = 8
LOOK_SECONDS = 0.1
"""How often somebody who waits looks whether the other one is stopped."""


def send(connection: socket.socket, message: Any, descriptors: Sequence[int] = ()) -> None:
    """Raises OSError when nobody is there any more, or takes it in time."""
    socket.send_fds(connection, [json.dumps(message, separators=(",", ":")).encode()], descriptors)


def awaits(connection: socket.socket, seconds: float, is_hopeless: Callable[[], bool]) -> bool:
    """Whether something can be received within so many seconds; False as soon as it is hopeless, twice in a row."""
    poll = select.poll()
    poll.register(connection, select.POLLIN)
    deadline, bad = time.monotonic() + seconds, 0
    while (left := deadline - time.monotonic()) > 0 and bad < 2:
        if poll.poll(min(left, LOOK_SECONDS) * 1000):
            return True
        bad = bad + 1 if is_hopeless() else 0
    return False


def receive(connection: socket.socket) -> tuple[Any, list[int]] | None:
    """The next message and the descriptors that came with it, which are the caller's to close; None at the end.

    Raises OSError (BlockingIOError: there is none yet), ValueError for what is no message.
    """
    raw, descriptors, flags, _ = socket.recv_fds(connection, MOST_BYTES, MOST_DESCRIPTORS)
    if not raw:
        return None
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        for descriptor in descriptors:
            os.close(descriptor)
        raise ValueError("a message that was cut off")
    return json.loads(raw), descriptors
