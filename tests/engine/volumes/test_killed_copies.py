"""Whoever copies, keeps, renames, backs up and restores is killed at random: nothing is lost, nothing half made.

PORTSIDE_VOLUME_KILLS says how often (3); PORTSIDE_VOLUME_SEED repeats one run's moments.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.containers.keeper_link import import_path
from engine.facade import Engine
from engine.volumes.backups.place import DIRECTORY, PlaceSpec
from engine.volumes.service import Volumes
from engine.volumes.volume import VolumeSpec
from tests.support import volume_content as known
from tests.support.processes import eventually

pytestmark = pytest.mark.root
KILLS = int(os.environ.get("PORTSIDE_VOLUME_KILLS", "3"))
LONGEST = 0.6
PROJECT = Path(__file__).parents[3]


def test_a_death_at_any_moment_loses_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("PORTSIDE_VOLUME_SEED") or random.randrange(1 << 30))
    print(f"seed {seed}")
    dice, home, backups = random.Random(seed), tmp_path / "home", tmp_path / "backups"
    backups.mkdir()
    place = PlaceSpec(kind=DIRECTORY, directory=str(backups))
    volumes = Engine(EngineConfig(home)).volumes
    known.write(Path(volumes.create(VolumeSpec(name=known.NAMES[0])).mountpoint))
    volumes.copies.snapshot(known.NAMES[0], known.SNAPSHOT)
    volumes.backups.write(known.NAMES[0], place, "one.tar.zst")
    for _ in range(KILLS):
        said = killed(home, backups, dice.uniform(0, LONGEST))
        print(said)
        volumes = Engine(EngineConfig(home)).volumes
        eventually(lambda volumes=volumes: recovered(volumes, home), what="what children of the killed one held")
        check(home, place)
    (name,) = [one.name for one in volumes.list() if one.name in known.NAMES]
    volumes.backups.write(name, place, "one.tar.zst")
    assert os.listdir(backups) == ["one.tar.zst"], "what deaths have left there went with the next one"


def recovered(volumes: Volumes, home: Path) -> bool:
    """A child of who was killed holds what it makes until it has found out that it is alone."""
    volumes.recover(lambda _: True)
    places = ("", "*/", "*/kept/")  # of new volumes, of what takes one's place, of snapshots
    return not [found for place in places for found in (home / "volumes").glob(f"{place}.made-*")]


def killed(home: Path, backups: Path, seconds: float) -> list[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.volume_lives", str(home), str(backups)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
        env={**os.environ, "PYTHONPATH": f"{PROJECT}:{import_path()}"},
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    time.sleep(seconds)
    process.kill()
    said = process.communicate()[0].splitlines()
    assert not [line for line in said if ":" in line], "nothing fails where nobody is in the way"
    return said


def check(home: Path, place: PlaceSpec) -> None:
    engine = Engine(EngineConfig(home))
    found = engine.volumes.list()
    assert len([one for one in found if one.name in known.NAMES]) == 1
    for volume in found:
        known.check(Path(volume.mountpoint))
        kept = home / "volumes" / volume.name / "kept"
        directories = sorted(kept.iterdir()) if kept.exists() else []
        assert len(directories) == len(volume.snapshots)
        for directory in directories:
            known.check(directory / "_data")
        extra = set(os.listdir(home / "volumes" / volume.name)) - {"_data", "lock", "steady", "kept"}
        assert not extra
    assert sorted(os.listdir(home / "volumes")) == sorted(one.name for one in found)
    restored = engine.volumes.backups.restore("restored", place, "one.tar.zst")
    known.check(Path(restored.mountpoint))
    engine.volumes.remove("restored")
