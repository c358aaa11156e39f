"""How much is in volumes, and limits: counted here, by the kernel where it has project quotas."""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine import quotas
from engine.errors import InvalidArgument, ResourceExhausted
from engine.volumes import sizes
from engine.volumes.volume import COUNTED, KERNEL, VolumeSpec
from tests.engine.volumes.place import NAMES, Place
from tests.support.disk import COUNTING, Disk
from worker.contract import events

WEB = NAMES["web"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture(params=sorted(COUNTING))
def counting(request: pytest.FixtureRequest) -> Iterator[Place]:
    """A home on a disk whose file system counts by project."""
    disk = Disk.counting(request.param)
    try:
        yield Place(disk.path / "home")
    finally:
        disk.close()


def write(path: str | Path, size: int) -> int:
    """As root without the right to pass quotas (capabilities(7), CAP_SYS_RESOURCE); an error's number, or 0."""
    pid = os.fork()
    if pid == 0:
        number = 1
        try:
            header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
            libc = ctypes.CDLL(None)
            libc.capget(header, sets)
            for index in range(3):
                sets[index] &= ~(1 << 24)
            assert libc.capset(header, sets) == 0
            with open(path, "wb") as file:
                file.write(bytes(size))
                file.flush()
                os.fsync(file.fileno())
            number = 0
        except OSError as error:
            number = error.errno or 1
        finally:
            os._exit(number)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def measured(place: Place) -> list[int]:
    return [entry.attributes["size_bytes"] for entry in place.journal.read(0) if entry.kind == events.VOLUME_MEASURED]


def test_a_size_is_told_when_it_is_another_one(place: Place) -> None:
    made = place.volumes.create(VolumeSpec(name="data"))
    assert (made.size_bytes, made.files, made.quota) == (0, 0, "")
    (Path(made.mountpoint) / "file").write_bytes(b"x" * 100_000)
    os.link(Path(made.mountpoint) / "file", Path(made.mountpoint) / "same")
    for _ in range(2):
        found = place.volumes.measure("data")
        assert found.size_bytes is not None and 100_000 <= found.size_bytes < 200_000
        assert found.files == 2
    assert measured(place) == [found.size_bytes]


def test_what_was_not_looked_at_for_long_is_measured_and_then_there_is_a_rest(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        place.volumes.create(VolumeSpec(name=name))
    place.volumes.create(VolumeSpec(name="host", driver_opts={"type": "none", "o": "bind", "device": "/usr"}))
    assert place.volumes.measure_due() == []
    monkeypatch.setattr(sizes, "FIRST_SECONDS", -1.0)
    monkeypatch.setattr(sizes, "BUSY_SECONDS", -1.0)
    monkeypatch.setattr(sizes, "REST_FACTOR", 1e6)
    assert place.volumes.measure_due() == ["one"]
    assert place.volumes.measure_due() == ()
    assert place.volumes.get("host").measured_at is None


def test_one_that_is_new_is_looked_into_soon(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    made = place.volumes.create(VolumeSpec(name="new"))
    (Path(made.mountpoint) / "file").write_bytes(b"x" * 200_000)
    now = time.time()
    for seconds, due in ((1, []), (4, ["new"]), (40, []), (70, ["new"]), (100, [])):
        clock = SimpleNamespace(time=lambda at=now + seconds: at, monotonic=time.monotonic)
        monkeypatch.setattr(sizes, "time", clock)
        assert list(place.volumes.measure_due()) == due, seconds
        assert ((place.volumes.get("new").size_bytes or 0) >= 200_000) == (seconds > 1)


def test_a_counted_limit_stops_who_writes_and_keeps_others_from_starting(place: Place) -> None:
    made = place.volumes.create(VolumeSpec(name="data", driver_opts={"size": "64k"}))
    assert (made.limit_bytes, made.quota, made.is_over) == (65536, COUNTED, False)
    place.volumes.acquire(WEB, [VolumeSpec(name="data")])
    place.holders.alive = [WEB]
    place.volumes.make_ready("data")
    (Path(made.mountpoint) / "file").write_bytes(b"x" * 200_000)
    assert place.volumes.measure("data").is_over
    assert place.holders.done == [("stop", [WEB])]
    (told,) = [entry.attributes for entry in place.journal.read(0) if entry.kind == events.ACTION_DONE]
    assert (told["action"], told["stopped"], told["limit_bytes"]) == ("over_limit", "web", 65536)
    with pytest.raises(ResourceExhausted, match="delete files in it, or raise the limit"):
        place.volumes.make_ready("data")
    place.volumes.make_ready("data", writable=False)
    assert place.volumes.limit("data", 1 << 20).is_over is False
    place.volumes.make_ready("data")
    assert place.volumes.limit("data", None).quota == ""
    with pytest.raises(InvalidArgument, match="65536"):
        place.volumes.limit("data", 1)


def test_only_a_directory_of_ours_has_a_limit(place: Place) -> None:
    place.volumes.create(VolumeSpec(name="memory", driver_opts={"type": "tmpfs", "o": "size=1m"}))
    with pytest.raises(InvalidArgument, match="own directory"):
        place.volumes.limit("memory", 1 << 20)
    assert place.volumes.measure("memory").size_bytes == 0


@pytest.mark.root
def test_the_kernel_refuses_what_is_beyond_a_limit(counting: Place) -> None:
    made = counting.volumes.create(VolumeSpec(name="data", driver_opts={"size": "1m"}))
    other = counting.volumes.create(VolumeSpec(name="other"))
    assert (made.quota, other.quota) == (KERNEL, "")
    assert len({quotas.project_of(Path(one.mountpoint)) for one in (made, other)} - {0}) == 2
    assert write(f"{made.mountpoint}/fits", 500_000) == 0
    assert write(f"{made.mountpoint}/more", 2_000_000) in (28, 122), "ENOSPC of xfs, EDQUOT of ext4"
    found = counting.volumes.measure("data")
    assert found.files == 2 and found.size_bytes is not None and 500_000 <= found.size_bytes <= 1 << 20
    assert counting.holders.done == [], "nobody has to be stopped"
    assert write(f"{other.mountpoint}/more", 2_000_000) == 0
    counting.volumes.limit("data", None)
    assert write(f"{made.mountpoint}/more", 2_000_000) == 0
    counting.volumes.limit("data", 1 << 20)
    counting.volumes.remove("data")
    again = counting.volumes.create(VolumeSpec(name="data"))
    assert write(f"{again.mountpoint}/more", 2_000_000) == 0


@pytest.mark.root
def test_a_volume_of_before_is_counted_by_the_kernel_from_now_on(
    counting: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(quotas, "is_counted", lambda _: False)
        made = counting.volumes.create(VolumeSpec(name="data", driver_opts={"size": "1m"}))
        assert made.quota == COUNTED
    (Path(made.mountpoint) / "sub").mkdir()
    assert write(f"{made.mountpoint}/sub/old", 500_000) == 0
    assert counting.volumes.measure("data").quota == KERNEL
    assert write(f"{made.mountpoint}/sub/more", 1_000_000) in (28, 122)
