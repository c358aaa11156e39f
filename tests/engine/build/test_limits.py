"""What one team, one zip, one death can take of a host: no more than its share."""

from __future__ import annotations

import io
import os
import threading
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine.build import receiving, workplace, zips
from engine.build.cache_mounts import CacheMounts
from engine.build.sandbox import Kernel
from engine.build.slots import Slots
from engine.build.workplace import Workplace
from engine.errors import Cancelled, InvalidArgument


def test_a_team_never_takes_the_last_places() -> None:
    slots, never = Slots(3, 2), threading.Event()
    with slots.hold("a", never.is_set), slots.hold("a", never.is_set):
        with pytest.raises(Cancelled), slots.hold("a", lambda: True):
            pass
        with slots.hold("b", never.is_set):
            with pytest.raises(Cancelled), slots.hold("c", lambda: True):
                pass
        with slots.hold("c", never.is_set):
            pass


def test_who_waits_goes_on_when_there_is_room() -> None:
    slots, never, over = Slots(1, 1), threading.Event(), threading.Event()

    def wait() -> None:
        with slots.hold("b", never.is_set):
            over.set()

    with slots.hold("a", never.is_set):
        thread = threading.Thread(target=wait)
        thread.start()
    thread.join()
    assert over.is_set()


def test_what_begins_is_not_taken_for_what_was_cut_short(tmp_path: Path) -> None:
    root = tmp_path / "work"
    (root / ".new-1").mkdir(parents=True)  # as a build is for a moment, before it has its lock
    (root / "dead").mkdir()
    place = Workplace(root, has_secrets=False)
    assert workplace.recover(root, cast(Kernel, SimpleNamespace())) == ["cleared away build dead, which was cut short"]
    assert place.directory.is_dir()
    assert (root / ".new-1").is_dir()
    long_ago = time.time() - 100_000
    os.utime(root / ".new-1", (long_ago, long_ago))
    place.close()
    workplace.recover(root, cast(Kernel, SimpleNamespace()))
    assert not list(root.iterdir())


def test_mounts_beyond_a_teams_share_go_the_oldest_first(tmp_path: Path) -> None:
    mounts = CacheMounts(tmp_path)

    def make(team: str, name: str, used_at: float) -> Any:
        with mounts.hold(team, name, "shared", fill=lambda _: None, cancelled=lambda: False) as directory:
            (directory / "data").write_bytes(b"x" * (256 << 10))
        os.utime(directory.parent.parent / "about.json", (used_at, used_at))
        return directory

    make("a", "old", 1000)
    make("a", "held", 500)
    make("a", "new", 2000)
    make("b", "other", 100)
    with mounts.hold("a", "held", "shared", fill=lambda _: None, cancelled=lambda: False):
        os.utime(next(path for path in tmp_path.glob("*/about.json") if '"held"' in path.read_text()), (500, 500))
        assert mounts.limit(600 << 10) == ["old"]
    assert mounts.limit(600 << 10) == []
    assert sorted(mount.id for mount in mounts.all() if mount.size_bytes > 100_000) == ["held", "new", "other"]


def test_a_zip_of_too_many_names_is_refused_before_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for number in range(100):
            archive.writestr(f"{number}", b"")
    path = tmp_path / "a.zip"
    path.write_bytes(data.getvalue())
    with open(tmp_path / "a.tar", "wb") as out:
        receiving._write_tar(path, out.fileno(), None)
        monkeypatch.setattr(zips, "DIRECTORY_BYTES", 1000)
        with pytest.raises(InvalidArgument, match="as a tar"):
            receiving._write_tar(path, out.fileno(), None)
