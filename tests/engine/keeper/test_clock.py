"""The host's clock may be set to anything at any time: restarts come when they are due all the same."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from engine.containers.service import Containers
from engine.keeper import hands
from tests.engine.containers.fakes import FakeImage, World, engine_on, image_config, spec

DAY = 24 * 3600.0


class Hands:
    """The engine as the hands use it."""

    def __init__(self, containers: Containers) -> None:
        self.containers = containers


@pytest.mark.parametrize("jump", [-DAY, DAY])
@pytest.mark.parametrize("moment", ["while it runs", "while it waits"])
def test_a_restart_is_due_within_its_delay_whatever_the_clock_says(
    tmp_path: Path, jump: float, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(images={"busybox": FakeImage("sha256:" + "a" * 64, image_config())})
    containers, _ = engine_on(tmp_path, world)
    containers.create(spec(1, restart="always"))
    record = containers.start("c1")
    clock, offset = time.time, [0.0]
    monkeypatch.setattr(time, "time", lambda: clock() + offset[0])
    if moment == "while it runs":
        offset[0] = jump
    world.end(record.id, 1)
    ended = containers.reap(record.id, 1)
    offset[0] = jump
    outcome = hands.do(Hands(containers), "reap", record.id, 1)  # type: ignore[arg-type]
    assert ended.status == "restarting" and outcome.restart_at is not None
    assert outcome.restart_at - time.time() <= max(ended.restart_delay_seconds, 0.5)
    assert containers.restart_by_policy(record.id, 1).run == 2
