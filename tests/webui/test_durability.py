"""An answer that says "done" is given once the disk has it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest
from django.db import connection
from django.http import HttpRequest, HttpResponse

from webui import durability
from webui.durability import DurableAnswers


@pytest.mark.parametrize(
    ("method", "status", "waits"),
    [("POST", 202, True), ("DELETE", 202, True), ("POST", 302, True), ("GET", 200, False), ("POST", 400, False)],
)
def test_who_waits_for_the_disk(method: str, status: int, waits: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr(durability, "sync", lambda: done.append("sync"))
    request = HttpRequest()
    request.method = method

    def view(_: HttpRequest) -> HttpResponse:
        done.append("view")
        return HttpResponse(status=status)

    assert DurableAnswers(view)(request).status_code == status
    assert done == (["view", "sync"] if waits else ["view"])


@pytest.mark.skipif(connection.vendor != "sqlite", reason="PostgreSQL waits at each commit")
def test_the_log_of_sqlite_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "site.db"
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE t (n)")
    synced: list[str] = []
    sync = os.fdatasync

    def watched(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", watched)
    monkeypatch.setitem(connection.settings_dict, "NAME", str(path))
    durability.sync()
    assert synced == [f"{path}-wal"]
    database.close()  # which takes the log away
    durability.sync()
    assert len(synced) == 1
