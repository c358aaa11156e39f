"""Copies, exports and commits of a container whose end nobody has told of yet: it is read as one that rests."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from engine.containers import states
from engine.containers.committing import CommitSpec
from tests.engine.archives.copying import content, copy_in, member, members, opened, tar, whole
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


@contextlib.contextmanager
def just_ended(host: Host) -> Iterator[str]:
    """One that was over at once, and still runs by its record: the keeper, which would see it, stands still."""
    other = host.run("sleep", "1000")  # so that there is a keeper
    keeper = host.keeper_pid()
    os.kill(keeper, signal.SIGSTOP)
    try:
        record = host.run("sh", "-c", "echo made > /made; exec sleep 0.1")
        eventually(lambda: not _has_root(record.pid), what="its end")
        assert host.engine.container_get(record.id).status == states.RUNNING
        yield record.id
    finally:
        os.kill(keeper, signal.SIGCONT)
        host.engine.container_remove(other.id, force=True)


def _has_root(pid: int | None) -> bool:
    try:
        return bool(os.readlink(f"/proc/{pid}/root"))
    except OSError:
        return False


def test_what_has_just_ended_is_copied_out(host: Host) -> None:
    with just_ended(host) as name:
        assert content(host.engine, name, "/made") == b"made\n"
        ended = host.engine.container_get(name)
        assert (ended.status, ended.exit_code) == (states.STOPPED, 0)


def test_what_has_just_ended_is_exported(host: Host) -> None:
    with just_ended(host) as name, opened(whole(host.engine.container_export(name))) as archive:
        assert "made" in archive.getnames()


def test_what_has_just_ended_is_copied_into(host: Host) -> None:
    with just_ended(host) as name:
        copy_in(host.engine, name, "/", tar(member("new", b"new\n")))
        assert members(host.engine, name, "/new")["new"].size == 4


def test_what_has_just_ended_is_committed(host: Host) -> None:
    with just_ended(host) as name:
        assert len(host.engine.container_commit(name, CommitSpec()).config.diff_ids) == 2


def test_what_ends_while_it_is_to_be_committed_is_committed(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its record says that it runs when the commit looks, and no longer when it has the container's lock."""
    record = host.run("sh", "-c", "echo made > /made; echo written; exec sleep 1000")
    host.says(record.id, b"written")
    parts = host.engine.containers._parts
    locked = parts.catalog.locked

    def late(container_id: str, **how: Any) -> object:
        monkeypatch.undo()
        host.engine.container_kill(container_id)
        host.ended(container_id)
        return locked(container_id, **how)

    monkeypatch.setattr(parts.catalog, "locked", late)
    image = host.engine.container_commit(record.id, CommitSpec(reference="local/ended"))
    assert len(image.config.diff_ids) == 2, "what it has written lies on top"
