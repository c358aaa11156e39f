"""A home may lie deeper than a Unix socket's path can be long."""

from __future__ import annotations

from pathlib import Path

from engine.store.database import Store
from engine.store.journal import Journal


def test_a_journal_wakes_its_readers_at_any_depth(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    journal = Journal(Store(deep / "engine.db"), deep / "run")
    with journal.listen() as listener:
        journal.append("container.died", "c1", {})
        assert listener.wait(60)
