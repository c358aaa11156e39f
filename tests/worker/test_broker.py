"""Connections to the broker are shared by as many threads as sessions and jobs need."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support.valkey import Valkey
from worker.broker import connect
from worker.sessions.server import SESSIONS_MAXIMUM


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with tempfile.TemporaryDirectory(prefix="ps") as directory:
        server = Valkey(Path(directory))
        server.start()
        yield server
        server.stop()


def test_each_session_may_wait_on_the_same_client(valkey: Valkey) -> None:
    client = connect(valkey.url, blocking_seconds=5)
    with ThreadPoolExecutor(SESSIONS_MAXIMUM) as threads:
        waiting = [threads.submit(client.xread, {f"s{number}": b"0-0"}, block=3000) for number in range(150)]
        assert not any(one.result() for one in waiting)
    client.close()
