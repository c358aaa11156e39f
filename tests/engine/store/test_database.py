"""A transaction is over when its block is left, and says in the engine's words what went wrong."""

from __future__ import annotations

import resource
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import DataCorrupt, ResourceExhausted, Unavailable
from engine.store.database import Store
from engine.store.journal import Journal


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "engine.db")
    store.ensure("test", ["CREATE TABLE thing (name TEXT PRIMARY KEY)"])
    yield store
    store.close()


def names(store: Store) -> list[str]:
    return [row["name"] for row in store.connection().execute("SELECT name FROM thing ORDER BY name")]


def test_a_full_database_is_said_so_and_the_next_transaction_is_a_new_one(store: Store) -> None:
    pages = store.connection().execute("PRAGMA page_count").fetchone()[0]
    store.connection().execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ResourceExhausted, match="disk is full"), store.transaction() as connection:
        connection.execute("INSERT INTO thing VALUES (?)", ("x" * 100_000,))
    store.connection().execute("PRAGMA max_page_count = 1000000")
    with store.transaction() as connection:
        connection.execute("INSERT INTO thing VALUES ('after')")
    assert names(store) == ["after"]


def test_what_goes_with_a_transaction_is_taken_back_before_others_get_in(store: Store) -> None:
    taken_back: list[str] = []

    def note(name: str) -> None:
        assert store.connection().in_transaction
        taken_back.append(name)

    with store.transaction():
        store.before_rollback(lambda: note("done"))
    with pytest.raises(KeyError), store.transaction(), store.transaction():
        store.before_rollback(lambda: note("first"))
        store.before_rollback(lambda: note("second"))
        raise KeyError
    assert taken_back == ["second", "first"]
    pages = store.connection().execute("PRAGMA page_count").fetchone()[0]
    store.connection().execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(ResourceExhausted), store.transaction() as connection:
        store.before_rollback(lambda: note("ended by SQLite"))
        connection.execute("INSERT INTO thing VALUES (?)", ("x" * 100_000,))
    assert taken_back[2:] == ["ended by SQLite"]
    assert not store.connection().in_transaction


def test_a_commit_that_fails_leaves_no_transaction_open(store: Store) -> None:
    store.connection().execute("PRAGMA foreign_keys = ON")
    store.ensure("child", ["CREATE TABLE child (name TEXT REFERENCES thing (name) DEFERRABLE INITIALLY DEFERRED)"])
    with pytest.raises(sqlite3.IntegrityError), store.transaction() as connection:
        connection.execute("INSERT INTO child VALUES ('nobody')")  # refused by COMMIT alone
    assert not store.connection().in_transaction
    with store.transaction() as connection:
        connection.execute("INSERT INTO thing VALUES ('after')")
    other = Store(store.path)
    assert names(other) == ["after"]
    other.close()


def test_a_database_that_others_keep_is_unavailable(store: Store) -> None:
    store.connection().execute("PRAGMA busy_timeout = 50")
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="try again"), store.transaction():
        pass
    other.close()
    with store.transaction():
        pass


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "engine.db").write_bytes(b"no database at all" * 100)
    store = Store(tmp_path / "engine.db")
    with pytest.raises((DataCorrupt, sqlite3.DatabaseError)):
        store.ensure("test", ["CREATE TABLE thing (name TEXT)"])


def test_an_entry_counts_even_if_no_reader_can_be_woken(store: Store, tmp_path: Path) -> None:
    journal = Journal(store, tmp_path / "run")
    with journal.listen():
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (0, before[1]))
        try:
            journal.append("kind", "subject", {})
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert journal.last_seq() == 1
