"""Directories that are made ahead: what begins with one is as any other, and there being none is no error."""

from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import pytest

from engine.containers import record, spares
from engine.containers.spares import Spares
from engine.options.modes import CONTAINER
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]


def waiting(host: Host) -> list[Path]:
    return list(host.engine.config.containers.glob(f"{spares.PREFIX}*"))


def begin(host: Host) -> None:
    host.engine.containers.make_ahead()
    eventually(lambda: len(waiting(host)) == spares.COUNT, what="spare directories")


def tree(directory: Path) -> dict[str, tuple[int, int, int]]:
    """Path → kind and mode, owner, group; without what waits for the next record."""
    found = {}
    for path in directory.rglob("*"):
        if path.name in record.MADE_AHEAD:
            continue
        status = path.lstat()
        found[str(path.relative_to(directory))] = (status.st_mode, status.st_uid, status.st_gid)
    return found


def test_a_container_that_begins_with_one_is_as_any_other(host: Host) -> None:
    plain = host.spec("sh", "-c", "cat /etc/hosts /etc/hostname; echo err >&2", stdin_open=True)
    host.engine.container_create(plain)
    begin(host)
    spare = {os.stat(path).st_ino for path in waiting(host)}
    ahead = host.spec("sh", "-c", "cat /etc/hosts /etc/hostname; echo err >&2", stdin_open=True)
    host.engine.container_create(ahead)
    first, second = (host.engine.config.containers / spec.id for spec in (plain, ahead))
    assert os.stat(second).st_ino in spare and os.stat(first).st_ino not in spare
    assert tree(first) == tree(second)
    assert stat.S_IMODE(os.stat(second).st_mode) == 0o700
    host.engine.container_start(ahead.id)
    assert host.ended(ahead.id).exit_code == 0
    assert not {*os.listdir(second)} & {*record.MADE_AHEAD}
    assert ahead.id[:12].encode() in host.log(ahead.id, "stdout")
    assert host.log(ahead.id, "stderr") == b"err\n"
    host.engine.container_remove(ahead.id)
    assert not second.exists()


def test_who_shares_a_network_has_no_files_of_its_own(host: Host) -> None:
    owner = host.run("sleep", "100")
    begin(host)
    sharer = host.spec("true", network=CONTAINER + owner.id)
    host.engine.container_create(sharer)
    names = set(os.listdir(host.engine.config.containers / sharer.id))
    assert not names & set(spares.BOUND)


def test_there_are_soon_as_many_again_and_a_recovery_deletes_what_a_dead_process_left(host: Host) -> None:
    begin(host)
    specs = [host.spec("true") for _ in range(spares.COUNT + 3)]
    for spec in specs:
        host.engine.container_create(spec)
    eventually(lambda: len(waiting(host)) == spares.COUNT, what="as many again")
    left = host.engine.config.containers / f"{spares.PREFIX}half"
    left.mkdir()
    (left / "log").mkdir()
    host.engine.reconcile()
    assert not left.exists()
    after = host.spec("true")  # of what this process has, a recovery has taken some away
    host.engine.container_create(after)
    assert {record.id for record in host.engine.container_list()} == {spec.id for spec in (*specs, after)}


def test_a_draft_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    ahead = Spares(tmp_path)
    ahead._ready.append(spares.make(tmp_path / f"{spares.PREFIX}one"))
    draft = tmp_path / ".creating-x"
    draft.mkdir()
    (draft / "mine").touch()
    assert ahead.take(draft) is None
    assert os.listdir(draft) == ["mine"]
    lock = ahead.take(tmp_path / ".creating-y")
    assert lock is not None
    with open(tmp_path / ".creating-y" / "lock") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(lock)
    assert ahead.take(tmp_path / ".creating-z") is None


def test_what_can_not_be_made_whole_is_not_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(directory: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.containers.pipes.make", full)
    with pytest.raises(OSError, match="No space"):
        spares.make(tmp_path / f"{spares.PREFIX}one")
    assert list(tmp_path.iterdir()) == []
