"""The journal numbers entries without holes and wakes readers only when there is something to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.store.database import Store
from engine.store.journal import Journal


def test_a_reader_is_woken_after_the_commit_not_before(tmp_path: Path) -> None:
    store = Store(tmp_path / "engine.db")
    journal = Journal(store, tmp_path / "run")
    with journal.listen() as listener:
        with store.transaction():
            journal.append("container.died", "c1", {})
            assert not listener.wait(0.05)
        assert listener.wait(60)
    assert [entry.subject for entry in journal.read(0)] == ["c1"]


def test_a_rolled_back_entry_wakes_nobody_and_leaves_no_hole(tmp_path: Path) -> None:
    store = Store(tmp_path / "engine.db")
    journal = Journal(store, tmp_path / "run")
    with journal.listen() as listener:
        with pytest.raises(RuntimeError), store.transaction():
            journal.append("container.died", "c1", {})
            raise RuntimeError
        assert not listener.wait(0.05)
    assert journal.append("container.died", "c2", {}) == 1


def test_what_can_wait_wakes_readers_after_its_time(tmp_path: Path) -> None:
    journal = Journal(Store(tmp_path / "engine.db"), tmp_path / "run")
    journal.be_patient({"container.created"}, 0.5)
    with journal.listen() as listener:
        for _ in range(2):
            journal.append("container.created", "c1", {})
            assert not listener.wait(0.1)
            journal.append("container.created", "c2", {})
            assert listener.wait(60)
        assert not listener.wait(0.7)  # once for both


def test_what_cant_wait_takes_along_what_can(tmp_path: Path) -> None:
    store = Store(tmp_path / "engine.db")
    journal = Journal(store, tmp_path / "run")
    journal.be_patient({"container.created"}, 0.5)
    with journal.listen() as listener:
        journal.append("container.created", "c1", {})
        journal.append("container.started", "c1", {})
        assert listener.wait(0.3)
        assert not listener.wait(0.7)
        with pytest.raises(RuntimeError), store.transaction():
            journal.append("container.created", "c2", {})
            raise RuntimeError
        assert not listener.wait(0.7)


def test_without_a_timer_readers_are_woken_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: object) -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr("engine.store.journal.Later", none_left)
    journal = Journal(Store(tmp_path / "engine.db"), tmp_path / "run")
    journal.be_patient({"container.created"}, 3600)
    with journal.listen() as listener:
        journal.append("container.created", "c1", {})
        assert listener.wait(60)
