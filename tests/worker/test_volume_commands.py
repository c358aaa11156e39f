"""Volumes by command, on a real engine: what is so already is success, what is refused says why."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.config import EngineConfig
from engine.errors import AlreadyExists, InvalidArgument, NotFound
from engine.facade import Engine
from worker import commands, volume_commands
from worker.contract import commands as c
from worker.contract import volumes as v
from worker.sessions.archive_source import OutSource, VolumeInSource


def run(engine: Engine, command: Any, attempt: int = 1, job: str = "job") -> dict[str, Any]:
    context = commands.Context(engine, lambda *_: None, threading.Event(), None, attempt, job)
    found: dict[str, Any] = json.loads(json.dumps(commands.run(command, context)))
    return found


def test_volumes_are_made_removed_and_pruned(tmp_path: Path) -> None:
    engine = Engine(EngineConfig(tmp_path))
    for _ in range(2):
        assert run(engine, c.CreateVolume(name="data", labels={"a": "b"})) == {"name": "data"}
    unnamed = run(engine, c.CreateVolume(name=""))["name"]
    assert run(engine, c.PruneVolumes(all=True, labels=("a",), not_labels=("a=b",)))["removed"] == []
    assert run(engine, c.PruneVolumes())["removed"] == [unnamed]
    assert [volume["name"] for volume in engine.inventory()["volumes"]] == ["data"]
    run(engine, c.RemoveVolume(name="data"))
    run(engine, c.RemoveVolume(name="data"), attempt=2)
    with pytest.raises(NotFound, match="no volume data"):
        run(engine, c.RemoveVolume(name="data"))


@pytest.mark.root
def test_a_second_attempt_finds_what_the_first_has_done(tmp_path: Path) -> None:
    engine = Engine(EngineConfig(tmp_path))
    run(engine, c.CreateVolume(name="data", driver_opts={"size": "1m"}))
    (Path(engine.volumes.get("data").mountpoint) / "file").write_bytes(b"x" * 5000)
    assert run(engine, v.MeasureVolume(name="data"))["files"] == 1
    assert run(engine, v.LimitVolume(name="data", limit_bytes=1 << 20))["is_over"] is False
    for command, done in (
        (v.CloneVolume(name="data", new_name="copy"), lambda: engine.volumes.get("copy").files == 1),
        (v.SnapshotVolume(name="data", snapshot="before"), lambda: len(engine.volumes.get("data").snapshots) == 1),
        (v.RevertVolume(name="data", snapshot="before"), lambda: engine.volumes.get("data").files == 1),
        (v.RemoveSnapshot(name="data", snapshot="before"), lambda: engine.volumes.get("data").snapshots == ()),
        (v.RenameVolume(name="data", new_name="files"), lambda: engine.volumes.get("files").files == 1),
    ):
        run(engine, command)
        assert done(), command
        if not isinstance(command, v.RevertVolume):
            with pytest.raises((NotFound, AlreadyExists)):
                run(engine, command)
            run(engine, command, attempt=2)


@pytest.mark.root
def test_a_second_attempt_takes_nobody_elses_volume_for_its_own(tmp_path: Path) -> None:
    engine = Engine(EngineConfig(tmp_path))
    for name in ("data", "taken"):
        run(engine, c.CreateVolume(name=name))
    run(engine, v.SnapshotVolume(name="data", snapshot="before"), job="another")
    for command in (
        v.CloneVolume(name="data", new_name="taken"),
        v.RenameVolume(name="data", new_name="taken"),
        v.SnapshotVolume(name="data", snapshot="before"),
    ):
        with pytest.raises(AlreadyExists):
            run(engine, command, attempt=2)
    run(engine, v.RenameVolume(name="data", new_name="files"), job="another")
    with pytest.raises(NotFound):
        run(engine, v.RenameVolume(name="data", new_name="files"), attempt=2)


@pytest.mark.root
def test_a_volume_goes_out_and_in_as_a_sessions_stream(tmp_path: Path) -> None:
    engine = Engine(EngineConfig(tmp_path))
    root = Path(run(engine, c.CreateVolume(name="data")) and engine.volumes.get("data").mountpoint)
    (root / "file").write_text("of the volume")
    out = OutSource.of_volume(engine, "data", {})
    assert out.described()["stat"]["name"] == "."
    (stream,) = out.outputs
    tar = b""
    while chunk := os.read(stream, 1 << 20):
        tar += chunk
    out.result()
    with engine.volumes.backups.unpack("data"):
        pass  # it is free for the next as soon as the end is told
    out.close()
    (root / "file").write_text("something else")
    for whole in (False, True):
        source = VolumeInSource(engine, "data", {"stop": False})
        assert source.stdin is not None
        os.write(source.stdin, tar if whole else tar[:700])
        source.close_stdin()
        if whole:
            assert source.result()["entries"] == 2
        else:
            with pytest.raises(InvalidArgument):
                source.result()
        source.close()
        assert (root / "file").read_text() == ("of the volume" if whole else "something else")


@pytest.mark.root
def test_keys_of_a_place_come_beside_the_command(tmp_path: Path) -> None:
    engine = Engine(EngineConfig(tmp_path / "home"))
    (tmp_path / "backups").mkdir()
    run(engine, c.CreateVolume(name="data"))
    place = v.BackupPlace(kind="directory", directory=str(tmp_path / "backups"))
    written = run(engine, v.BackupVolume(name="data", place=place, key="data/one.tar.zst"))
    assert written["digest"].startswith("sha256:")
    restored = v.RestoreVolume(name="more", place=place, key="data/one.tar.zst", digest=written["digest"])
    assert run(engine, restored)["name"] == "more"
    run(engine, v.TryPlace(place=place))
    assert run(engine, v.RemoveBackups(place=place, keys=("data/one.tar.zst",)))["removed"] == ["data/one.tar.zst"]
    context = commands.Context(engine, lambda *_: None, threading.Event(), {"access_key": "A", "secret_key": "B"})
    spec = volume_commands._place(v.BackupPlace(kind="s3", bucket="b"), context)
    assert (spec.access_key, spec.secret_key, "B" in repr(spec)) == ("A", "B", False)
