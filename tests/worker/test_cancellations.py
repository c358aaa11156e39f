"""Marks at the broker are read once; from then on no job costs a question, until a connection was lost."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import redis

from tests.support.processes import eventually
from tests.support.valkey import Valkey
from worker import cancellations, control
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


def test_after_a_doubt_each_is_asked_for_until_all_are_read_again(valkey: Valkey) -> None:
    client = valkey.client()
    known = Cancellations(client)
    known.read_marks()
    client.set(keys.cancelled("meanwhile"), "1")
    known.doubt()
    assert "meanwhile" in known and "another" not in known
    known.read_marks()
    before = asked(client)
    assert "meanwhile" in known and "another" not in known
    assert asked(client) == before


def test_a_doubt_that_comes_up_while_marks_are_read_stays(valkey: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    client = valkey.client()
    known = Cancellations(client)
    read = known._marks

    def read_and_doubt() -> list[str] | None:
        found = read()
        client.set(keys.cancelled("meanwhile"), "1")
        known.doubt()
        return found

    monkeypatch.setattr(known, "_marks", read_and_doubt)
    known.read_marks()
    assert "meanwhile" in known
    monkeypatch.setattr(known, "_marks", read)
    known.read_marks()
    before = asked(client)
    assert "meanwhile" in known and asked(client) == before


def test_only_the_newest_are_kept(monkeypatch: pytest.MonkeyPatch, valkey: Valkey) -> None:
    monkeypatch.setattr(cancellations, "KEPT_MAXIMUM", 2)
    known = Cancellations(valkey.client())
    known.read_marks()
    for job in ("a", "b", "a", "c"):
        known.note(job)
    assert [job in known for job in "abc"] == [True, False, True]


def test_with_too_many_marks_each_is_asked_for(monkeypatch: pytest.MonkeyPatch, valkey: Valkey) -> None:
    monkeypatch.setattr(cancellations, "KEPT_MAXIMUM", 2)
    client = valkey.client()
    client.mset({keys.cancelled(job): "1" for job in "abcde"})
    known = Cancellations(client)
    known.read_marks()
    assert all(job in known for job in "abcde") and "f" not in known


def test_who_may_list_no_keys_asks_for_each(valkey: Valkey) -> None:
    client = valkey.client()
    client.set(keys.cancelled("a"), "1")
    client.execute_command("ACL", "SETUSER", "default", "-scan")
    known = Cancellations(client)
    known.read_marks()
    assert "a" in known and "b" not in known


def test_a_mark_of_strange_bytes_keeps_nobody_from_the_others(valkey: Valkey) -> None:
    client = valkey.client()
    client.mset({keys.cancelled("a"): "1", keys.cancelled("").encode() + b"\xff": "1"})
    known = Cancellations(client)
    known.read_marks()
    before = asked(client)
    assert "a" in known and "b" not in known
    assert asked(client) == before


def test_without_a_broker_nothing_is_held_to_be_cancelled(valkey: Valkey) -> None:
    known = Cancellations(valkey.client())
    valkey.stop()
    with pytest.raises(redis.RedisError):
        known.read_marks()
    assert "any" not in known


def test_the_listener_leaves_no_gap_between_the_marks_and_the_stream(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is cancelled while the marks are read comes by the stream."""
    monkeypatch.setattr(control, "LOOK_BACK_SECONDS", 0)
    client = valkey.client()
    known, told = Cancellations(client), threading.Event()
    read = known._marks

    def read_and_cancel() -> list[str] | None:
        found = read()
        client.set(keys.cancelled("meanwhile"), "1")
        client.xadd(keys.control("h"), {"m": '{"kind": "job.cancel", "job_id": "meanwhile"}'})
        time.sleep(1.5)  # longer than the second that a place in the stream is rounded to
        return found

    monkeypatch.setattr(known, "_marks", read_and_cancel)

    def note(message: CancelJob) -> None:
        known.note(message.job_id)
        told.set()

    listener = ControlListener(valkey.client(), "h", {CancelJob: note}, known)
    listener.start()
    try:
        assert told.wait(20)
        assert "meanwhile" in known
    finally:
        listener.stop()


def test_a_listener_that_loses_the_broker_reads_the_marks_again(valkey: Valkey) -> None:
    client = valkey.client()
    known = Cancellations(client)
    listener = ControlListener(valkey.client(), "h", {}, known)
    listener.start()
    try:
        eventually(lambda: known._has_all, what="the marks")
        valkey.stop()
        eventually(lambda: not known._has_all, what="the doubt")
        valkey.start()
        eventually(lambda: known._has_all, what="the marks once more")
    finally:
        listener.stop()
