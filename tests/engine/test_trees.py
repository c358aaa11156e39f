"""Directories of any shape are deleted, without many descriptors and without following links."""

from __future__ import annotations

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.config import EngineConfig
from engine.snapshots.service import Snapshots
from engine.store.database import Store
from engine.trees import Sizes, delete_tree, disk_bytes, each_below, file_sizes, walk

LEVELS = 3000  # more than Python's recursion, this test's descriptors and the kernel's longest path


def dig(where: Path, levels: int = LEVELS) -> None:
    """Make directories one in another, as a container can that goes into each."""
    current = os.open(where, os.O_RDONLY | os.O_DIRECTORY)
    for _ in range(levels):
        os.mkdir("deeper", dir_fd=current)
        below = os.open("deeper", os.O_RDONLY | os.O_DIRECTORY, dir_fd=current)
        os.close(current)
        current = below
    os.close(os.open("last", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=current))
    os.close(current)


@pytest.fixture(autouse=True)
def few_descriptors() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    highest = max(int(name) for name in os.listdir("/proc/self/fd"))  # other tests' fixtures hold some
    resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 210, before[1]))  # a walk needs 200 and some of its own
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_tree_of_any_depth_is_deleted(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    dig(tree)
    delete_tree(tree)
    assert not tree.exists()


def test_links_are_removed_and_not_followed(tmp_path: Path) -> None:
    tree, outside = tmp_path / "tree", tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("kept")
    (tree / "a").mkdir(parents=True)
    (tree / "a/link").symlink_to(outside)
    (tree / "loop").symlink_to(tree)
    delete_tree(tree)
    assert not tree.exists()
    assert (outside / "file").read_text() == "kept"
    (tmp_path / "link").symlink_to(outside)
    delete_tree(tmp_path / "link")
    assert (outside / "file").read_text() == "kept"


def test_a_directory_with_many_names_goes_in_batches(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    for number in range(9000):
        (tree / str(number)).touch()
    delete_tree(tree)
    assert not tree.exists()


def test_what_is_not_there_is_deleted_already(tmp_path: Path) -> None:
    delete_tree(tmp_path / "nothing")


@pytest.mark.root
def test_a_container_that_dug_deep_is_removed_and_stops_no_recovery(tmp_path: Path) -> None:
    config = EngineConfig(tmp_path)
    snapshots = Snapshots(config, Store(config.database))
    dig(Path(snapshots.prepare("dug", None).upperdir))
    snapshots.remove("dug")
    assert not snapshots.keys()
    assert not list((config.snapshots / "staging").iterdir())
    with snapshots.stage() as files:
        dig(files)
        files.parent.rename(config.snapshots / "staging" / "killed")  # as if its maker had died
    snapshots.recover()
    assert not list((config.snapshots / "staging").iterdir())


def test_a_walk_names_everything_once_and_follows_no_link(tmp_path: Path) -> None:
    (tmp_path / "b/c").mkdir(parents=True)
    (tmp_path / "a").mkdir()
    (tmp_path / "b/c/file").write_bytes(b"1")
    (tmp_path / "b/out").symlink_to("/")
    found = [(name, list(entries)) for name, _, entries in walk(tmp_path)]
    assert found == [(b"", [b"a", b"b"]), (b"a", []), (b"b", [b"c", b"out"]), (b"b/c", [b"file"])]


def test_a_walk_ends_where_it_would_need_too_many_descriptors(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d", dir_fd=here)
        here, old = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(old)
    os.close(here)
    assert sum(1 for _ in walk(tmp_path)) == 200
    delete_tree(tmp_path / "d")


def test_disk_bytes_count_a_file_with_two_names_once(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(bytes(100_000))
    alone = disk_bytes(tmp_path)
    os.link(tmp_path / "one", tmp_path / "two")
    assert disk_bytes(tmp_path) == alone >= 100_000
    assert disk_bytes(tmp_path / "nothing") == 0


def test_files_are_as_long_as_they_say(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "six").write_bytes(b"x" * 6)
    os.link(tmp_path / "d" / "six", tmp_path / "again")
    os.symlink("six", tmp_path / "d" / "link")
    (tmp_path / "hole").touch()
    os.truncate(tmp_path / "hole", 5_000_000)
    found = file_sizes(tmp_path)
    assert found.files == 6 + len("six") + 5_000_000
    assert found.disk < 100_000
    assert file_sizes(tmp_path / "nothing") == Sizes(0, 0)


def test_one_by_one_it_is_the_same_as_whole_directories(tmp_path: Path) -> None:
    for name in ("a/b/c", "a/d", "e"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "file").write_text(name)
    (tmp_path / "e/link").symlink_to(tmp_path)
    (tmp_path / "e/dug").mkdir()
    dig(tmp_path / "e/dug", 300)
    whole = [facts.st_ino for _, _, entries in walk(tmp_path) for facts in entries.values()]
    assert sorted(facts.st_ino for facts in each_below(tmp_path)) == sorted(whole)
    held = set(os.listdir("/proc/self/fd"))
    some = each_below(tmp_path)
    next(some)
    some.close()
    assert set(os.listdir("/proc/self/fd")) == held
