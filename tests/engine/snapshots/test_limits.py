"""Sizes of containers' own files: numbers that nobody else has, given once and free again, whatever is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine import quotas
from engine.config import EngineConfig
from engine.errors import ResourceExhausted, Unsupported
from engine.quotas import Usage
from engine.snapshots.service import Snapshots
from engine.store.database import Store
from tests.support.disk import COUNTING, Disk
from tests.support.processes import eventually

pytestmark = pytest.mark.root
MIB = 1 << 20


class Kernel:
    """What a file system with project quotas knows, by inode and by number."""

    def __init__(self) -> None:
        self.is_mounted_so = True
        self.limits: dict[int, int] = {}
        self.projects: dict[int, int] = {}
        self.files: dict[int, int] = {}

    def mark_new(self, place: Path, project: int) -> None:
        self.projects[place.stat().st_ino] = project

    def project_of(self, place: Path) -> int:
        return self.projects.get(place.stat().st_ino, 0)

    def limit(self, _: Path, project: int, size_bytes: int | None) -> None:
        self.limits.pop(project, None)
        if size_bytes is not None:
            self.limits[project] = size_bytes

    def usage(self, _: Path, project: int) -> Usage:
        return Usage(0, self.files.get(project, 0))

    def is_enforced(self, _: Path) -> bool:
        return self.is_mounted_so


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    made = Kernel()
    for name in ("mark_new", "project_of", "limit", "usage", "is_enforced"):
        monkeypatch.setattr(quotas, name, getattr(made, name))
    return made


def open_home(home: Path) -> tuple[Snapshots, Store]:
    config = EngineConfig(home)
    store = Store(config.database)
    return Snapshots(config, store), store


def test_both_directories_have_a_number_of_their_own_and_a_limit(tmp_path: Path, kernel: Kernel) -> None:
    snapshots, _ = open_home(tmp_path)
    one, other = (snapshots.prepare(key, None, limit_bytes=size) for key, size in (("one", MIB), ("other", 2 * MIB)))
    numbers = [{kernel.project_of(Path(path)) for path in (place.upperdir, place.workdir)} for place in (one, other)]
    assert [len(found) for found in numbers] == [1, 1] and numbers[0] != numbers[1]
    assert sorted(kernel.limits.values()) == [MIB, 2 * MIB]
    assert snapshots.prepare("one", None, limit_bytes=MIB) == one
    snapshots.prepare("free", None)
    assert len(kernel.limits) == 2, "who asks for no size has none"
    kernel.limits.clear()
    with pytest.raises(RuntimeError), snapshots.room_to_mount("one"), snapshots.room_to_mount("free"):
        assert MIB < sum(kernel.limits.values()) < 8 * MIB
        raise RuntimeError
    assert list(kernel.limits.values()) == [MIB]
    for key in ("one", "other"):
        snapshots.remove(key)
    assert kernel.limits == {}


def test_no_home_and_no_volume_has_the_number_of_another() -> None:
    tags = ("000000", "000001", "00ffff", "abcdef")
    ranges = [quotas.numbers(first, tag) for first in (quotas.OF_VOLUMES, quotas.OF_CONTAINERS) for tag in tags]
    assert sum(len(found) for found in ranges) == len({number for found in ranges for number in found})
    assert all(found.start > 0 and found.stop <= (1 << 32) - 1 for found in ranges), "the last one is none"


def test_a_number_is_given_again_once_its_files_are_gone(tmp_path: Path, kernel: Kernel) -> None:
    snapshots, store = open_home(tmp_path)
    snapshots.prepare("one", None, limit_bytes=MIB)
    (first,) = kernel.limits
    kernel.files[first] = 3
    snapshots.take_away("one")  # what deletes them is not called
    store.connection().execute("DELETE FROM sqlite_sequence")  # so that the same number would be next
    snapshots.prepare("two", None, limit_bytes=MIB)
    (second,) = kernel.limits
    assert second != first
    kernel.files = dict.fromkeys(quotas.numbers(quotas.OF_CONTAINERS, EngineConfig(tmp_path).tag), 1)
    with pytest.raises(ResourceExhausted, match=r"^storage_opt: .*remove some"):
        snapshots.prepare("three", None, limit_bytes=MIB)
    assert snapshots.keys() == ["two"]


def test_where_nothing_is_held_nothing_is_made_and_nothing_starts(tmp_path: Path, kernel: Kernel) -> None:
    snapshots, _ = open_home(tmp_path)
    snapshots.prepare("one", None, limit_bytes=MIB)
    kernel.is_mounted_so = False
    with pytest.raises(Unsupported, match=r"^storage_opt: .*mount that with prjquota") as refused:
        snapshots.prepare("two", None, limit_bytes=MIB)
    assert refused.value.detail["field"] == "storage_opt"
    with pytest.raises(Unsupported, match="prjquota"), snapshots.room_to_mount("one"):
        raise AssertionError("nothing is mounted")
    assert snapshots.keys() == ["one"] and sorted(os.listdir(tmp_path / "snapshots")) == ["1", "empty", "staging"]


def test_what_is_undone_or_was_killed_leaves_no_limit(tmp_path: Path, kernel: Kernel) -> None:
    snapshots, store = open_home(tmp_path)
    with pytest.raises(RuntimeError), store.transaction():
        snapshots.prepare("undone", None, limit_bytes=MIB)
        raise RuntimeError
    assert kernel.limits == {}

    kept = snapshots.prepare("kept", None, limit_bytes=MIB)
    snapshots.prepare("named", None, limit_bytes=MIB)
    store.connection().execute("DELETE FROM snapshot WHERE key = 'named'")  # killed before the commit
    lost = snapshots.prepare("lost", None, limit_bytes=MIB)
    os.rename(Path(lost.upperdir).parent, tmp_path / "away")  # the disk was restored without it
    staged = tmp_path / "snapshots" / "staging" / "half" / "fs"
    staged.mkdir(parents=True)  # killed before it was named
    before = next(n for n in quotas.numbers(quotas.OF_CONTAINERS, EngineConfig(tmp_path).tag) if n not in kernel.limits)
    kernel.mark_new(staged, before)
    kernel.limit(staged, before, MIB)
    assert len(kernel.limits) == 4
    snapshots.recover()
    assert list(kernel.limits) == [kernel.project_of(Path(kept.upperdir))]
    assert snapshots.keys() == ["kept"]


@pytest.fixture(params=sorted(COUNTING))
def counting(request: pytest.FixtureRequest) -> Iterator[Disk]:
    disk = Disk.counting(request.param)
    yield disk
    disk.close()


def test_the_kernel_counts_and_forgets(counting: Disk) -> None:
    snapshots, _ = open_home(counting.path / "h")
    overlay = snapshots.prepare("one", None, limit_bytes=MIB)
    project = quotas.project_of(Path(overlay.upperdir))
    assert quotas.project_of(Path(overlay.workdir)) == project
    (Path(overlay.upperdir) / "file").write_bytes(bytes(300_000))
    assert 300_000 <= quotas.usage(counting.path, project).size_bytes < MIB

    child = os.fork()
    if child == 0:  # killed when the limit is there, and the directory not yet
        killed, _ = open_home(counting.path / "h")
        killed._move = lambda *_: os._exit(0)  # type: ignore[method-assign]
        killed.prepare("killed", None, limit_bytes=MIB)
        os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    limited = [number for number in range(project, project + 3) if hard_limit(counting, number)]
    assert len(limited) == 2
    snapshots.recover()
    assert [number for number in limited if hard_limit(counting, number)] == [project]
    snapshots.remove("one")
    assert not hard_limit(counting, project)
    eventually(lambda: not quotas.usage(counting.path, project).files, what="no file of that number")


def hard_limit(disk: Disk, project: int) -> int:
    """In KiB; 0 for none."""
    try:
        with quotas._opened(disk.path) as directory:
            found = quotas._quotactl(directory, quotas._command(quotas._GET), project, bytes(quotas._BLOCK.size))
    except OSError:  # xfs: a number that nothing was ever known of
        return 0
    return int(quotas._BLOCK.unpack(found)[0])
