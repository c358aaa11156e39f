"""What is brought to the disk: all of it, at once, and an error of any is the caller's."""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

import pytest

from engine.containers import durability


def open_below(directory: Path) -> list[str]:
    """What this process has open there; other tests' may be collected meanwhile."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(f"/proc/self/fd/{name}"))
    return [path for path in found if path.startswith(str(directory))]


def test_each_is_synced_and_all_at_the_same_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [tmp_path / name for name in "abc"]
    for path in paths:
        path.write_text("x")
    together = threading.Barrier(len(paths) + 1, timeout=20)
    synced: list[int] = []

    def fsync(descriptor: int) -> None:
        synced.append(os.fstat(descriptor).st_ino)
        together.wait()

    monkeypatch.setattr(durability.os, "fsync", fsync)
    durability._bring_to_disk([*map(str, paths), str(tmp_path / "gone")], lambda: together.wait() and None)
    assert sorted(synced) == sorted(path.stat().st_ino for path in paths)
    assert open_below(tmp_path) == []


@pytest.mark.parametrize("failing", ["a", "the store"])
def test_an_error_is_raised_when_nothing_is_at_work_any_more(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        (tmp_path / name).write_text("x")
    done: list[str] = []
    slow = threading.Event()

    def fsync(descriptor: int) -> None:
        name = Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
        if name == failing:
            raise OSError(5, "Input/output error")
        slow.wait(0.2)
        done.append(name)

    def store() -> None:
        if failing == "the store":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(durability.os, "fsync", fsync)
    with pytest.raises(OSError):
        durability._bring_to_disk([str(tmp_path / "a"), str(tmp_path / "b")], store)
    assert "b" in done and open_below(tmp_path) == []
