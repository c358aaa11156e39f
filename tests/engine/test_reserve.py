"""The room that is kept for a full disk: given up bit by bit, and made again."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest

from engine.errors import ResourceExhausted
from engine.reserve import FILE, STEP, Reserve
from engine.store.database import Store


def test_it_is_given_up_bit_by_bit_until_the_work_is_done(tmp_path: Path) -> None:
    reserve, failures = Reserve(tmp_path), [OSError(errno.ENOSPC, "full"), OSError(errno.EDQUOT, "quota")]
    reserve.tend()
    size = (tmp_path / FILE).stat().st_size
    assert size >= 2 * STEP and (tmp_path / FILE).stat().st_blocks * 512 >= size, "it has its blocks"

    def work() -> str:
        if failures:
            raise failures.pop()
        return "done"

    assert reserve.with_room(work) == "done"
    assert (tmp_path / FILE).stat().st_size == size - 2 * STEP
    reserve.tend()
    assert (tmp_path / FILE).stat().st_size == size


def test_when_all_is_given_up_the_error_is_told_and_others_are_at_once(tmp_path: Path) -> None:
    reserve, asked = Reserve(tmp_path), []

    def full() -> None:
        asked.append(1)
        raise ResourceExhausted("the disk is full") from OSError(errno.ENOSPC, "full")

    with pytest.raises(ResourceExhausted):
        reserve.with_room(full)
    assert len(asked) == 1, "there was none"
    reserve.tend()
    size = (tmp_path / FILE).stat().st_size
    with pytest.raises(ResourceExhausted):
        reserve.with_room(full)
    assert len(asked) == 2 + -(-size // STEP)
    with pytest.raises(ZeroDivisionError):
        reserve.with_room(lambda: 1 // 0)


def test_a_database_that_can_not_grow_counts_as_a_full_disk(tmp_path: Path) -> None:
    store, reserve = Store(tmp_path / "some.db"), Reserve(tmp_path)
    reserve.tend()
    store.ensure("some", ["CREATE TABLE line (text TEXT)"])
    pages = store.connection().execute("PRAGMA page_count").fetchone()[0]
    store.connection().execute(f"PRAGMA max_page_count = {pages}")
    tried: list[int] = []

    def write() -> None:
        tried.append(1)
        if len(tried) == 2:
            store.connection().execute(f"PRAGMA max_page_count = {pages + 1000}")
        with store.transaction() as connection:
            connection.execute("INSERT INTO line VALUES (?)", ("x" * 100_000,))

    reserve.with_room(write)
    assert len(tried) == 2
    assert isinstance(store.connection().execute("SELECT count(*) FROM line").fetchone(), sqlite3.Row)
