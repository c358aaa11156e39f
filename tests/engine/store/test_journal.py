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
