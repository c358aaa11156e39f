"""A lean process that forks one unpacker (`child.py`) per layer: no layer waits for an interpreter to start.

    python -S -E -c "…; main(SOCKET)"     started by `forking.Nursery`; SOCKET is one end of a SEQPACKET pair

request    Limits as JSON, with four descriptors: blob, directory, the unpacker's standard input and output
answer     "ok" with a pidfd of the unpacker, or why there is none

It has one thread and a frozen heap, reads nothing of a layer, and ends with its starter (end of file), or after a
minute in which nobody wanted anything.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import signal
import socket

from engine.layers import child

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

REST_SECONDS = 60
_REAP_SECONDS = 1
_DESCRIPTORS = 4
_REQUEST_BYTES = 4096


def main(channel_descriptor: int) -> NoReturn:
    """Serve until nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the starter, which ends us
    channel = socket.socket(fileno=channel_descriptor)
    readable = select.poll()
    readable.register(channel, select.POLLIN)
    gc.collect()
    gc.freeze()
    gc.disable()
    has_children = False
    while True:
        is_asked = bool(readable.poll((_REAP_SECONDS if has_children else REST_SECONDS) * 1000))
        if is_asked:
            _answer(channel)
            has_children = True
        elif not has_children:
            os._exit(0)
        has_children = has_children and _reap()


def _answer(channel: socket.socket) -> None:
    try:
        request, descriptors, _, _ = socket.recv_fds(channel, _REQUEST_BYTES, _DESCRIPTORS)
    except ConnectionResetError:  # it was killed before it read an answer
        os._exit(0)
    if not request:
        os._exit(0)
    try:
        pid = os.fork()
    except OSError as error:
        _say(channel, f"{error.strerror}".encode())
        return
    else:
        if pid == 0:
            _become_unpacker(channel, json.loads(request), descriptors)
        pidfd = os.pidfd_open(pid)
        _say(channel, b"ok", [pidfd])
        os.close(pidfd)
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _say(channel: socket.socket, answer: bytes, descriptors: list[int] | None = None) -> None:
    """Whoever asked may have been killed meanwhile: the next look at the channel ends us."""
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        socket.send_fds(channel, [answer], descriptors or [])


def _become_unpacker(channel: socket.socket, limits: dict[str, int], descriptors: list[int]) -> NoReturn:
    channel.close()
    blob, directory, commands, reports = descriptors
    os.dup2(commands, 0)
    os.dup2(reports, 1)
    os.close(commands)
    os.close(reports)
    child.run(limits, blob, directory)


def _reap() -> bool:
    """Collect the dead; whether any unpacker lives."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True
