"""The power goes at a random moment: what was acknowledged before is on the disk.

PORTSIDE_FAULT_CUTS says how often (2). `tests.support.disk` says what such a cut shows, and what not.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from engine.errors import NotFound
from tests.support.disk import Disk
from tests.support.engine import Host
from tests.support.home import Home
from tests.support.portside import ROOT
from tests.support.processes import Program, eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

CUTS = int(os.environ.get("PORTSIDE_FAULT_CUTS", "2"))
Told = list[dict[str, Any]]


@pytest.mark.timeout(180 + 60 * CUTS)
def test_what_was_acknowledged_is_there_after_a_power_cut(tiny_image: str, tmp_path: Path) -> None:
    seed = int(os.environ.get("PORTSIDE_FAULT_SEED") or random.randrange(1 << 30))
    print(f"seed {seed}")
    dice = random.Random(seed)
    for cut in range(CUTS):
        disk = Disk(600)
        (disk.path / "h").mkdir()
        home = Home(disk.path / "h")
        try:
            told = until_the_cut(disk, home, tiny_image, dice, tmp_path / f"told{cut}")
            (home.config.run / "boot_id").write_text("another boot")
            compare(Host(home, tiny_image), told)
            acknowledged = [line for line in told if "ack" in line]
            print(f"cut {cut + 1}: {len(acknowledged)} answers, {acknowledged[-1]['seq']} events", flush=True)
        finally:
            halt(home)
            home.destroy()
            disk.close()


def until_the_cut(disk: Disk, home: Home, image: str, dice: random.Random, log: Path) -> Told:
    """What was told; all that the kernel had of this home is gone then, and the disk is mounted again."""
    command = [sys.executable, "-m", "tests.faults.asker", str(home.path), image, str(dice.random())]
    asker = Program(command, log=log, env=home.environment(), cwd=ROOT)
    asker.wait_until(lambda: log.read_bytes().count(b'"ack"') >= 5, seconds=180, what="some answers")
    time.sleep(dice.uniform(0, 1.5))
    disk.cut_power()
    halt(home)
    asker.stop(signal.SIGKILL)
    disk.power_up()
    lines = log.read_text().splitlines()
    return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]


def halt(home: Home) -> None:
    """Nothing of this home runs any more, as after the cut itself."""

    def is_dark() -> bool:
        pids = home.own_processes() + [int(line.split()[0]) for line in home.container_processes()]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not pids

    eventually(is_dark, seconds=120, what="the end of everything")


def compare(host: Host, told: Told) -> None:
    promises = {line["ack"]: line["promise"] for line in told if "ack" in line}
    open_ = told[-1].get("ask")  # asked for and not answered: either is right
    numbers = [entry.seq for entry in host.engine.journal.read(0, limit=100_000)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= max(line["seq"] for line in told if "ack" in line)
    for id_, promise in promises.items():
        if id_ == open_:
            continue
        if promise["name"] is None:
            with pytest.raises(NotFound):
                host.engine.container_get(id_)
            continue
        record = host.engine.container_get(id_)
        assert (record.name, record.spec.restart) == (promise["name"], promise["restart"])
        was_started = record.started_at is not None
        policy, desired = promise["restart"], promise["desired"]
        comes_back = was_started and (policy == "always" or (policy == "unless-stopped" and desired == "running"))
        assert (record.status == "running") == comes_back, (promise, record)
    for record in host.engine.container_list():  # and all of its files are whole
        assert host.engine.container_start(record.id).status == "running"
