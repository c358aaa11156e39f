"""Volumes by command, on a real engine: what is so already is success, what is refused says why."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from engine.config import EngineConfig
from engine.errors import NotFound
from engine.facade import Engine
from worker import commands
from worker.contract import commands as c


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
