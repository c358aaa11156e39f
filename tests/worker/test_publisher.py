"""Nothing is told to the site before the host's disk has it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from engine.store.database import Store
from engine.store.journal import Entry, Journal
from tests.support.processes import eventually
from tests.support.valkey import Valkey
from worker.contract import keys
from worker.durability import Durability
from worker.publisher import Publisher


def test_an_event_is_sent_once_the_disk_has_it(tmp_path: Path, valkey: Valkey) -> None:
    client, journal = valkey.client(), Journal(Store(tmp_path / "engine.db"), tmp_path / "run")
    durable: list[list[str]] = []
    troubles = [OSError(5, "Input/output error")]

    def make_durable(ids: Sequence[str]) -> None:
        assert client.xlen(keys.EVENTS) == 0, "told before it was on the disk"
        if troubles:
            raise troubles.pop()
        durable.append(sorted(ids))

    durability = Durability(make_durable)  # type: ignore[arg-type]
    publisher = Publisher(client, journal, "h", lambda *_: None, lambda: None, settle=durability.settle)
    durability.touch("stayed-down")
    journal.append("container.started", "c", {})
    journal.append("job.finished", "j", {})
    publisher.start()
    try:
        eventually(lambda: client.xlen(keys.EVENTS) == 2, seconds=60, what="both events")
        assert durable == [["c", "stayed-down"]]
    finally:
        publisher.stop(1)


def test_what_nobody_waits_for_goes_with_what_follows(
    tmp_path: Path, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, journal = valkey.client(), Journal(Store(tmp_path / "engine.db"), tmp_path / "run")
    batches: list[list[str]] = []

    def settle(entries: Sequence[Entry]) -> None:
        batches.append([entry.kind for entry in entries])

    monkeypatch.setattr("worker.publisher.PATIENCE_SECONDS", 3600.0)
    publisher = Publisher(client, journal, "h", lambda *_: None, lambda: None, settle=settle)
    journal.append("job.started", "j", {})
    publisher.start()
    try:
        journal.append("container.created", "c", {})
        journal.append("container.started", "c", {})
        eventually(lambda: client.xlen(keys.EVENTS) == 3, seconds=60, what="all events")
        assert batches == [["job.started", "container.created", "container.started"]]
    finally:
        publisher.stop(1)


def test_what_nothing_follows_waits_no_longer_than_the_patience(
    tmp_path: Path, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, journal = valkey.client(), Journal(Store(tmp_path / "engine.db"), tmp_path / "run")
    monkeypatch.setattr("worker.publisher.LOOK_SECONDS", 3600.0)
    publisher = Publisher(client, journal, "h", lambda *_: None, lambda: None, settle=lambda _: None)
    publisher.start()
    try:
        for number in range(1, 4):
            journal.append("job.started", f"j{number}", {})
            eventually(lambda n=number: client.xlen(keys.EVENTS) == n, seconds=60, what="the event")
    finally:
        journal.append("job.finished", "j", {})  # who looks once an hour is woken to stop
        publisher.stop(1)


def test_an_end_that_a_removal_follows_goes_with_it(
    tmp_path: Path, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, journal = valkey.client(), Journal(Store(tmp_path / "engine.db"), tmp_path / "run")
    batches: list[list[str]] = []
    monkeypatch.setattr("worker.publisher.PATIENCE_SECONDS", 3600.0)
    publisher = Publisher(
        client,
        journal,
        "h",
        lambda *_: None,
        lambda: None,
        settle=lambda given: batches.append([e.kind for e in given]),
    )
    publisher.start()
    left = ["container.died", "action.done", "container.stopped", "container.removed"]
    try:
        for kind in left:
            news = {"container": "c"} if kind == "action.done" else {"leaving": True} if kind == left[0] else {}
            journal.append(kind, "bridge" if kind == "action.done" else "c", news)
        eventually(lambda: client.xlen(keys.EVENTS) == 4, seconds=60, what="all of its end")
        journal.append("container.died", "c", {"leaving": True})
        journal.append("container.died", "other", {})
        eventually(lambda: client.xlen(keys.EVENTS) == 6, seconds=60, what="another's end")
        assert batches == [left, ["container.died"] * 2]
    finally:
        publisher.stop(1)


def test_what_a_failed_attempt_was_about_is_not_forgotten() -> None:
    asked: list[set[str]] = []

    def make_durable(ids: set[str]) -> None:
        asked.append(set(ids))
        if len(asked) == 1:
            raise OSError(5, "Input/output error")

    durability = Durability(make_durable)  # type: ignore[arg-type]
    durability.touch("a")
    entry = Entry(1, 0.0, "job.finished", "j", {})
    with pytest.raises(OSError, match="Input/output"):
        durability.settle([entry])
    durability.settle([entry])
    durability.settle([entry])
    assert asked == [{"a"}, {"a"}, set()]
