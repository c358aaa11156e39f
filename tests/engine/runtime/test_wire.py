"""Messages between the engine's processes."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from engine.runtime import wire


def pair() -> tuple[socket.socket, socket.socket]:
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def test_the_end_of_a_stream_is_awaited_whatever_is_said_before() -> None:
    ours, theirs = pair()
    with ours, theirs:
        wire.send(theirs, {"executing": "/bin/sh"})
        with pytest.raises(TimeoutError):
            wire.await_end(ours, 0.05)
        threading.Timer(0.1, theirs.close).start()
        began = time.monotonic()
        wire.await_end(ours, 30)
        assert time.monotonic() - began < 20
        assert wire.receive(ours) == {"executing": "/bin/sh"}
        assert wire.receive(ours) is None


def test_a_word_alone_wakes_nobody_who_awaits_the_end() -> None:
    ours, theirs = pair()
    switches: list[int] = []

    def wait() -> None:
        before = own_switches()
        wire.await_end(ours, 30)
        switches.append(own_switches() - before)

    with ours, theirs:
        waiting = threading.Thread(target=wait)
        waiting.start()
        for number in range(50):
            time.sleep(0.01)
            wire.send(theirs, {"number": number})
        theirs.close()
        waiting.join(30)
    assert switches[0] < 10, "who waits was woken by each word"


def own_switches() -> int:
    """How often this thread has gone to sleep."""
    with open("/proc/thread-self/status", encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("voluntary"))


def test_who_finds_nothing_yet_keeps_the_room_for_it() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        ours.setblocking(False)
        wire.send(theirs, {"verb": "ping"})
        wire.take(ours, 1)
        had = len(wire._buffers)
        with pytest.raises(BlockingIOError):
            wire.take(ours, 1)
        assert len(wire._buffers) == had
