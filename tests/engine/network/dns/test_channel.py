"""Waiting at a descriptor whose number is beyond what select(2) can name, in a process that has many open."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from engine.network.dns import channel, link
from tests.support.processes import eventually

FD_SETSIZE = 1024


@pytest.fixture
def crowded() -> Iterator[None]:
    """All descriptors that select(2) can name are taken."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 2 * FD_SETSIZE), hard))
    taken: list[int] = []
    try:
        while not taken or taken[-1] < FD_SETSIZE:
            taken.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        for descriptor in taken:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("crowded")
def test_a_message_is_awaited() -> None:
    with ExitStack() as stack:
        ours, theirs = (stack.enter_context(one) for one in socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET))
        assert not channel.awaits(ours, 0.05, lambda: False)
        assert not channel.awaits(ours, 60, lambda: True)
        channel.send(theirs, {"done": True})
        assert channel.awaits(ours, 60, lambda: False)
        assert channel.receive(ours) == ({"done": True}, [])


def test_a_stopped_resolver_is_ended(crowded: None, monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "60"]) as process, socket.socket(socket.AF_UNIX) as connection:
        monkeypatch.setattr(link, "_pid_of", lambda _: process.pid)
        assert not link._end_stopped(connection), "it runs"
        process.send_signal(signal.SIGSTOP)
        eventually(lambda: link._end_stopped(connection), what="its end")
        assert process.wait(60) == -signal.SIGKILL
