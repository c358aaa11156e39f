"""Kill -9 at any moment of load, pull, import, tag, save, remove, prune and garbage collection, two at a time.

After each: what is visible is whole, to the last byte; what images refer to is there; what was told is what is. In the
end all space is given back. PORTSIDE_IMAGE_KILLS says how often, PORTSIDE_FAULT_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.images.records import REMOVED, UPDATED
from tests.engine.images.archive.conftest import saved
from tests.engine.images.conftest import Host, open_host
from tests.engine.images.deeds import unused
from tests.engine.images.test_kill import children_of_the_dead, kill, verify_store
from tests.support.processes import eventually

KILLS = int(os.environ.get("PORTSIDE_IMAGE_KILLS", "4"))
pytestmark = [pytest.mark.root, pytest.mark.registry, pytest.mark.timeout(180 + 30 * KILLS)]
LONGEST_SECONDS = 1.2
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def made(host: Host, push: Callable[..., str], tmp_path: Path) -> tuple[str, list[Path]]:
    """What is pulled and what is loaded; the images have a layer in common."""
    chance = random.Random(5)
    common, *own = ({f"{n}/{m}": chance.randbytes(4000) for m in range(40)} for n in range(4))
    references = [push(common, own[n], name=f"killed-{n}:1") for n in range(3)]
    for reference in references:
        host.images.pull(reference)
    archives = [tmp_path / "one.tar", tmp_path / "two.tar"]
    archives[0].write_bytes(saved(host, references[1]))
    archives[1].write_bytes(saved(host, *references[1:], format="oci"))
    return references[0], archives


def whole(host: Host) -> None:
    """What images refer to is there, and right."""
    verify_store(host)
    assert host.images._records.wanted_blobs() <= set(host.content.digests())
    report = host.images.fsck()
    assert report.damaged == (), report.damaged


def told(host: Host) -> dict[str, tuple[str, ...]]:
    """The images and tags as one knows them who has read the journal."""
    known: dict[str, tuple[str, ...]] = {}
    after = 0
    while entries := host.journal.read(after):
        after = entries[-1].seq
        for entry in entries:
            if entry.kind == UPDATED:
                known[entry.subject] = tuple(entry.attributes["tags"])
            elif entry.kind == REMOVED:
                known.pop(entry.subject, None)
    return known


def test_no_kill_leaves_half_of_anything(tmp_path: Path, made: tuple[str, list[Path]]) -> None:
    seed = int(os.environ.get("PORTSIDE_FAULT_SEED") or random.randrange(1 << 30))
    print(f"PORTSIDE_FAULT_SEED={seed}")
    chance, home = random.Random(seed), tmp_path / "victim"
    reference, archives = made
    seen = 0
    for number in range(KILLS):
        command = [sys.executable, "-m", "tests.engine.images.deeds", home, str(seed + number), reference, *archives]
        with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"begun\n"
            time.sleep(chance.uniform(0, LONGEST_SECONDS))
            kill(process)
        assert process.returncode == -9, f"it failed by itself in round {number}"
        eventually(lambda: children_of_the_dead(home) == [], what="the end of its children")
        host = open_host(home)
        whole(host)
        host.images.recover()
        whole(host)
        assert told(host) == {image.id: image.tags for image in host.images.list()}
        assert host.leftovers()["staging"] == [] and not list((host.config.content / "trash").iterdir())
        seen += len(host.images.list())
    print(f"{KILLS} kills, {seen} images seen whole")
    host = open_host(home)
    for image in host.images.list():
        host.images.remove(image.id, force=True, uses=unused)
    with host.store.transaction() as connection:
        connection.execute("UPDATE lease SET expires_at = 0")  # what killed pulls have kept for the next
    host.images.recover()
    assert host.is_empty, host.leftovers()
