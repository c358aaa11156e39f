"""Volumes by command, on a real engine: what is so already is success, what is refused says why."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.config import EngineConfig
from engine.errors import AlreadyExists, NotFound
from engine.facade import Engine
from worker import commands
from worker.contract import commands as c
from worker.contract import volumes as v


def run(engine: Engine, command: Any, attempt: int = 1) -> dict[str, Any]:
    context = commands.Context(engine, lambda *_: None, threading.Event(), None, attempt)
    found: dict[str, Any] = json.loads(json.dumps(commands.run(command, context)))
    return found


def test_volumes_are_made_removed_and_pruned(tmp_path: Path) -> None:
    engine = Engine(EngineConfig(tmp_path))
    for _ in range(2):
        assert run(engine, c.CreateVolume(name="data", labels={"a": "b"})) == {"name": "data"}
    unnamed = run(engine, c.CreateVolume(name=""))["name"]
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
