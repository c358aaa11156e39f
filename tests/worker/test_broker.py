"""Connections to the broker are shared by as many threads as sessions and jobs need."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.support.valkey import Valkey
from worker.broker import connect
from worker.sessions.server import SESSIONS_MAXIMUM


def test_each_session_may_wait_on_the_same_client(valkey: Valkey) -> None:
    client = connect(valkey.url, blocking_seconds=5)
    with ThreadPoolExecutor(SESSIONS_MAXIMUM) as threads:
        waiting = [threads.submit(client.xread, {f"s{number}": b"0-0"}, block=3000) for number in range(150)]
        assert not any(one.result() for one in waiting)
    client.close()
