"""Layers and containers lie apart on the disk where the file system can do that; elsewhere nothing goes wrong."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.snapshots.service import Snapshots
from engine.snapshots.spread import is_crowded, spread_below
from engine.store.database import Store


def flags(directory: Path) -> str:
    """As lsattr(1) shows them; skips where the file system has none."""
    shown = subprocess.run(["lsattr", "-d", directory], check=False, capture_output=True, text=True)
    if shown.returncode or not shown.stdout:
        pytest.skip("the file system of the tests has no flags")
    return shown.stdout.split()[0]


def test_staged_directories_are_spread_over_the_disk(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    if subprocess.run(["chattr", "+T", tmp_path / "plain"], check=False, capture_output=True).returncode:
        pytest.skip("the file system of the tests does not spread directories")
    config = EngineConfig(home=tmp_path)
    for _ in range(2):  # a home that has it already
        snapshots = Snapshots(config, Store(config.database))
        assert "T" in flags(config.snapshots / "staging")
    with snapshots.stage() as files:
        assert "T" not in flags(files)


def test_a_directory_that_cannot_be_spread_stays_as_it_is(tmp_path: Path) -> None:
    spread_below(Path("/dev/shm"))
    spread_below(tmp_path / "missing")


def test_a_layer_is_staged_elsewhere_where_much_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = EngineConfig(home=tmp_path)
    snapshots = Snapshots(config, Store(config.database))
    looked_at: list[Path] = []

    def is_crowded(directory: Path) -> bool:
        looked_at.append(directory)
        return len(looked_at) < 3

    monkeypatch.setattr("engine.snapshots.service.is_crowded", is_crowded)
    with snapshots.stage() as files:
        assert files == looked_at[2]
        assert len(list((config.snapshots / "staging").iterdir())) == 1
    looked_at[:] = []
    monkeypatch.setattr("engine.snapshots.service.is_crowded", lambda _: True)
    with snapshots.stage() as files:  # nowhere is better: it is as slow as it is
        assert list(files.iterdir()) == []
    assert list((config.snapshots / "staging").iterdir()) == []


def test_looking_leaves_nothing(tmp_path: Path) -> None:
    is_crowded(tmp_path)
    assert list(tmp_path.iterdir()) == []
