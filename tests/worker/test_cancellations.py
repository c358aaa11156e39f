"""Marks at the broker are read once; from then on no job costs a question."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import redis

from tests.support.processes import eventually
from tests.support.valkey import Valkey
from worker import cancellations
from worker.cancellations import Cancellations
from worker.contract import keys
from worker.contract.frames import CancelJob
from worker.control import ControlListener


def asked(client: redis.Redis) -> int:
    """How often the broker was asked for a key."""
    told: dict[str, Any] = client.info("commandstats")  # type: ignore[assignment]
    return int(told.get("cmdstat_get", {"calls": 0})["calls"])


def test_what_was_cancelled_before_is_known_without_asking_for_each(valkey: Valkey) -> None:
    client = valkey.client()
    client.mset({keys.cancelled(f"early{number}"): "1" for number in range(3000)})
    known = Cancellations(client)
    assert "early7" in known  # by asking, as long as the marks aren't read
    known.read_marks()
    before = asked(client)
    assert all(f"early{number}" in known for number in range(3000))
    assert "another" not in known
    assert asked(client) == before


def test_what_is_cancelled_later_is_noted(valkey: Valkey) -> None:
    known = Cancellations(valkey.client())
    known.read_marks()
    known.note("late")
    assert "late" in known


def test_only_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch, valkey: Valkey) -> None:
    monkeypatch.setattr(cancellations, "KEPT_MAXIMUM", 2)
    known = Cancellations(valkey.client())
    known.read_marks()
    for job in ("a", "b", "a", "c"):
        known.note(job)
    assert [job in known for job in "abc"] == [True, False, True]


def test_without_a_broker_nothing_is_held_to_be_cancelled(valkey: Valkey) -> None:
    known = Cancellations(valkey.client())
    valkey.stop()
    with pytest.raises(redis.RedisError):
        known.read_marks()
    assert "any" not in known


def test_the_listener_leaves_no_gap_between_the_marks_and_the_stream(valkey: Valkey) -> None:
    """What is cancelled while the marks are read comes by the stream."""
    client = valkey.client()
    known, told = Cancellations(client), threading.Event()

    def read_and_cancel() -> None:
        known.read_marks()
        client.set(keys.cancelled("meanwhile"), "1")
        client.xadd(keys.control("h"), {"m": '{"kind": "job.cancel", "job_id": "meanwhile"}'})

    def note(message: CancelJob) -> None:
        known.note(message.job_id)
        told.set()

    listener = ControlListener(valkey.client(), "h", {CancelJob: note}, read_and_cancel)
    listener.start()
    try:
        assert told.wait(20)
        assert eventually(lambda: "meanwhile" in known, what="the cancellation")
    finally:
        listener.stop()
