"""What is staged goes with its block, and what was made ahead is as what is made when it is asked for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.snapshots.service import Snapshots
from engine.snapshots.staging import AHEAD
from engine.store.database import Store

pytestmark = pytest.mark.root
MARK = ".mark"


@pytest.fixture
def snapshots(tmp_path: Path) -> Snapshots:
    config = EngineConfig(home=tmp_path)
    return Snapshots(config, Store(config.database))


def staged(snapshots: Snapshots) -> set[int]:
    """The numbers of the directories there."""
    return {entry.inode() for entry in os.scandir(snapshots.staging.directory)}


def shape(upper: Path) -> list[tuple[str, int, int, int]]:
    found = [upper, upper.parent, upper.parent / "work", *upper.iterdir()]
    return [(path.name if path != upper.parent else "", *path.stat()[:1], *path.stat()[4:6]) for path in found]


def test_what_a_container_is_given_was_ahead_and_looks_as_any_other(snapshots: Snapshots) -> None:
    plain = Path(snapshots.prepare("plain", None, mark=MARK).upperdir)
    assert [snapshots.make_ahead(MARK) for _ in range(AHEAD + 1)] == [True] * AHEAD + [False]
    ahead = staged(snapshots)
    assert len(ahead) == AHEAD
    uppers = [Path(snapshots.prepare(f"box{number}", None, mark=MARK).upperdir) for number in range(AHEAD + 1)]
    assert {os.stat(upper.parent).st_ino for upper in uppers} > ahead, "and one that nobody had made"
    assert all(shape(upper) == shape(plain) for upper in uppers)
    assert staged(snapshots) == set()


def test_who_wants_another_mark_or_none_is_not_given_what_has_one(snapshots: Snapshots) -> None:
    snapshots.make_ahead(MARK)
    for mark in ("", ".other", MARK):
        upper = snapshots.prepare(f"box{mark}", None, mark=mark).upperdir
        assert os.listdir(upper) == [mark][: len(mark)]
    assert staged(snapshots) == set()


def test_a_prepare_that_fails_leaves_nothing_of_what_was_ahead(
    snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    snapshots.make_ahead(MARK)
    monkeypatch.setattr(Snapshots, "_move", full)
    with pytest.raises(OSError, match="No space"):
        snapshots.prepare("box", None, mark=MARK)
    assert staged(snapshots) == set()
    assert snapshots.keys() == []


def test_a_recovery_leaves_what_a_living_process_has_ahead_and_no_other(snapshots: Snapshots, tmp_path: Path) -> None:
    snapshots.make_ahead(MARK)
    ahead = staged(snapshots)
    (snapshots.staging.directory / "left" / "fs").mkdir(parents=True)
    config = EngineConfig(home=tmp_path)
    Snapshots(config, Store(config.database)).recover()
    assert staged(snapshots) == ahead


def test_what_can_not_be_made_whole_is_not_left(snapshots: Snapshots, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("engine.snapshots.staging.Path.touch", full)
    with pytest.raises(OSError, match="No space"):
        snapshots.make_ahead(MARK)
    assert staged(snapshots) == set()
