"""Paths below a directory that somebody else writes to, opened while links are put in the way."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.runtime import kernel
from engine.runtime.rooted import open_beneath
from engine.runtime.wire import Failure

ROUNDS = 500


def opened(root: Path | str, path: Path | str, *, makes: bool = False) -> int:
    """The inode."""
    place = open_beneath(str(root), str(path), makes=makes)
    try:
        return os.fstat(place).st_ino
    finally:
        os.close(place)


@contextlib.contextmanager
def swapping(directory: Path, one: str, other: str) -> Iterator[None]:
    """The two change places all the time."""
    base, stop = os.open(directory, os.O_RDONLY | os.O_DIRECTORY), threading.Event()

    def work() -> None:
        while not stop.is_set():
            kernel.exchange(base, one, other)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        os.close(base)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """`<root>/data/file`; beside the root lies `outside/file`, to which `<root>/link` leads."""
    for place in ("root/data", "outside"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "file").write_text(place)
    (tmp_path / "root/link").symlink_to(tmp_path / "outside")
    return tmp_path / "root"


def test_what_lies_there_is_opened_and_made(root: Path) -> None:
    assert opened(root, root) == root.stat().st_ino
    assert opened(root, root / "data/file") == (root / "data/file").stat().st_ino
    assert opened("/", root / "data") == (root / "data").stat().st_ino
    made = opened(root, root / "a/b/c", makes=True)
    assert made == (root / "a/b/c").stat().st_ino


@pytest.mark.parametrize(
    ("path", "family"),
    [
        ("link/file", "permission_denied"),
        ("link", "permission_denied"),
        ("data/../../outside", "permission_denied"),
        ("../outside/file", "permission_denied"),
        ("missing", "not_found"),
        ("data/file/below", "conflict"),
    ],
)
def test_what_does_not_is_refused_with_path_and_root(root: Path, path: str, family: str) -> None:
    with pytest.raises(Failure, match=str(root)) as caught:
        opened(root, f"{root}/{path}")
    assert caught.value.family == family


def test_a_link_in_the_way_of_the_root_is_refused_too(root: Path) -> None:
    (root.parent / "called").symlink_to(root)
    with pytest.raises(Failure, match="name the directory itself"):
        opened(root.parent / "called", root.parent / "called/data")


def test_links_that_come_and_go_lead_nowhere(root: Path) -> None:
    inside = (root / "data/file").stat().st_ino
    with swapping(root, "data", "link"):
        for _ in range(ROUNDS):
            with contextlib.suppress(Failure):
                assert opened(root, root / "data/file") == inside


def test_nothing_is_made_behind_a_link_that_comes_and_goes(root: Path) -> None:
    with swapping(root, "data", "link"):
        for number in range(ROUNDS):
            with contextlib.suppress(Failure):
                opened(root, root / f"data/new/{number}", makes=True)
    assert os.listdir(root.parent / "outside") == ["file"]
