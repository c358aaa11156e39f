"""A disk without a byte left: what frees room works, what takes room is refused, what runs loses nothing.

A small disk of its own, with nothing kept for root. Nothing here looks at how much is free: file systems give back what
was deleted when they like.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.errors import ResourceExhausted
from engine.reserve import FILE, STEP, Reserve
from tests.support.disk import Disk, host_on
from tests.support.engine import Host
from tests.support.processes import eventually

pytestmark = [pytest.mark.root, pytest.mark.registry]

MEGABYTES = 400  # a pull wants some to be free
FILLS = "echo filling; cat /dev/zero >/big 2>/dev/null; echo full; exec sleep 100000"
SPEAKS = "trap 'seq 1 30000; exit 9' USR1; echo begin; while :; do sleep 0.05; done"


@pytest.fixture
def small(tiny_image: str) -> Iterator[tuple[Disk, Host]]:
    """A host whose home is all of a disk."""
    with host_on(Disk(MEGABYTES), tiny_image) as both:
        yield both


def fill(disk: Disk) -> Path:
    """To the last byte, and again if something gives room back while it is filled."""
    filler = disk.fill()
    with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x")
    return filler


def in_reserve(host: Host) -> int:
    return (host.home.path / FILE).stat().st_size


def test_on_a_full_disk_containers_are_killed_stopped_and_removed(small: tuple[Disk, Host]) -> None:
    disk, host = small
    killed, stopped, removed = (host.run("sleep", "100000", name=name) for name in ("killed", "stopped", "removed"))
    before = in_reserve(host)
    assert before >= STEP
    filler = fill(disk)
    with pytest.raises(ResourceExhausted, match="full"):
        host.engine.container_create(host.spec("true", env={"X": "x" * 100_000}))
    assert host.engine.container_kill(killed.id).exit_code == 137
    assert host.engine.container_stop(stopped.id, 0).exit_code == 137
    host.engine.container_remove(removed.id, force=True)
    told = {record.id: host.events(record.id) for record in (killed, stopped, removed)}
    assert told[killed.id][-2:] == ["killed", "died"]
    assert told[stopped.id][-1] == "stopped"
    assert told[removed.id][-2:] == ["died", "removed"]
    filler.unlink()
    for record in (killed, stopped):
        host.engine.container_remove(record.id)

    def is_whole() -> bool:
        host.engine.ensure_helpers()
        return in_reserve(host) == before

    eventually(is_whole, what="a whole reserve")
    again = host.run("sh", "-c", "exit 3")
    assert host.ended(again.id).exit_code == 3
    assert host.is_clean()


def test_a_container_that_fills_the_disk_can_be_seen_and_removed(small: tuple[Disk, Host]) -> None:
    _, host = small
    record = host.run("sh", "-c", FILLS)
    eventually(lambda: _sleeps(record.pid or 0), what="a full disk")  # its last word may wait for room in the log
    assert host.engine.container_get(record.id).status == "running"
    assert host.engine.container_top(record.id)["processes"]
    host.engine.container_remove(record.id, force=True)
    again = host.run("sh", "-c", "exit 3")
    assert host.ended(again.id).exit_code == 3
    assert host.is_clean()


def _sleeps(pid: int) -> bool:
    return "sleep" in Path(f"/proc/{pid}/cmdline").read_text()


def test_on_a_full_disk_ends_are_kept_and_no_word_is_lost(small: tuple[Disk, Host]) -> None:
    disk, host = small
    record = host.run("sh", "-c", SPEAKS)
    host.says(record.id, b"begin")
    while Reserve(host.home.path).release():
        pass
    filler = fill(disk)
    os.kill(record.pid or 0, signal.SIGUSR1)
    filler.unlink()
    ended = host.ended(record.id)
    assert (ended.exit_code, ended.error) == (9, None)
    eventually(lambda: host.log(record.id).endswith(b"30000\n"), what="the whole log")
    assert host.log(record.id) == b"begin\n" + b"".join(b"%d\n" % number for number in range(1, 30001))
