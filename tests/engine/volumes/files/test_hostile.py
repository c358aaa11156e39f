"""A container puts links, pipes and devices in the way, also while somebody is on it: nothing outside is reached."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator

import pytest

from engine.errors import EngineError, InvalidArgument, PermissionDenied
from engine.volumes.files.writing import Terms
from tests.engine.volumes.files.conftest import Box

ROUNDS = 150
"""Of each attempt in a race: enough that some of them meet the link, and bounded on a slow machine."""


def outside(box: Box) -> Iterator[str]:
    """Texts of links to what lies outside, absolute and relative."""
    yield str(box.secret)
    yield os.path.relpath(box.secret, box.data)
    yield f"/proc/self/root{box.secret}"
    yield "../../../secret"


def test_no_link_leads_out_whatever_is_done_with_it(box: Box) -> None:
    for number, text in enumerate(outside(box)):
        os.symlink(text, box.data / f"d{number}")
        os.symlink(f"{text}/key", box.data / f"f{number}")
    for number in range(4):
        attempts: list[Callable[[], object]] = [
            lambda n=number: box.names(f"d{n}"),  # type: ignore[misc]
            lambda n=number: box.read(f"d{n}/key"),  # type: ignore[misc]
            lambda n=number: box.read(f"f{n}"),  # type: ignore[misc]
            lambda n=number: box.write(f"d{n}/new", b"x"),  # type: ignore[misc]
            lambda n=number: box.write(f"f{n}", b"x"),  # type: ignore[misc]
            lambda n=number: box.write(f"d{n}/a/b", b"x", Terms(parents=True)),  # type: ignore[misc]
            lambda n=number: box.files.make_directory("box", f"d{n}/new"),  # type: ignore[misc]
            lambda n=number: box.files.remove("box", f"d{n}/key"),  # type: ignore[misc]
            lambda n=number: box.files.move("box", f"d{n}/key", "mine"),  # type: ignore[misc]
            lambda n=number: box.files.own("box", f"d{n}/key", mode=0o777),  # type: ignore[misc]
            lambda n=number: box.files.own("box", f"d{n}/key", uid=7, recursive=True),  # type: ignore[misc]
            lambda n=number: box.files.pack("box", f"d{n}/key"),  # type: ignore[misc]
        ]
        for attempt in attempts:
            with pytest.raises(PermissionDenied, match="leads out"):
                attempt()
    box.files.own("box", "/", uid=7, recursive=True)  # the links, not what they lead to
    assert os.lstat(box.data / "d0").st_uid == os.lstat(box.data / "f0").st_uid == 7
    assert box.secret.stat().st_uid == (box.secret / "key").stat().st_uid == os.geteuid()
    assert box.is_untouched()
    for name in [*os.listdir(box.data)]:  # the links themselves are theirs to remove
        box.files.remove("box", name, recursive=True)
    assert os.listdir(box.data) == [] and box.is_untouched()


def test_links_inside_are_followed_and_written_through(box: Box) -> None:
    box.write("real/conf", b"1", Terms(parents=True))
    os.symlink("real", box.data / "dir")
    os.symlink("dir/conf", box.data / "conf")
    assert box.names("dir") == ["conf"]
    box.write("conf", b"22")
    assert box.read("real/conf") == b"22" and os.path.islink(box.data / "conf")
    os.symlink("loop", box.data / "loop")
    for broken in ("loop", "loop/x"):
        with pytest.raises(EngineError):
            box.write(broken, b"x")


def test_what_is_no_file_is_neither_opened_nor_waited_for(box: Box) -> None:
    os.mkfifo(box.data / "pipe")
    os.mknod(box.data / "zero", 0o666 | 0o020000, os.makedev(1, 5))
    os.symlink("pipe", box.data / "link")
    for name in ("pipe", "zero", "link"):
        with pytest.raises(InvalidArgument, match="only files"):
            box.read(name)
        with pytest.raises(InvalidArgument, match="only files"):
            box.write(name, b"x")
    assert [entry.kind for entry in box.files.list("box", "/").entries] == ["link", "pipe", "device"]
    for name in ("pipe", "zero", "link"):
        box.files.remove("box", name)


class Swapper:
    """A container's process that makes a directory a link to the outside and back, as fast as it can."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        (box.data / "real").mkdir()
        (box.data / "real" / "key").write_text("mine")
        os.symlink(box.secret, box.data / "trap")
        os.rename(box.data / "real", box.data / "place")

    def _run(self) -> None:
        place, real, trap = (self._box.data / name for name in ("place", "real", "trap"))
        while not self._is_over.is_set():
            os.rename(place, real)
            os.rename(trap, place)
            os.rename(place, trap)
            os.rename(real, place)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()


def test_a_directory_that_becomes_a_link_while_it_is_used_leads_nowhere(box: Box) -> None:
    """With a real kernel and a bounded number of rounds: whatever comes first, it is the volume's own or an error."""
    with Swapper(box):
        for number in range(ROUNDS):
            with contextlib.suppress(EngineError):
                assert "key" in box.names("place") or number
            with contextlib.suppress(EngineError):
                assert box.read("place/key") in (b"mine", b"new")
            with contextlib.suppress(EngineError):
                box.write("place/key", b"new")
            with contextlib.suppress(EngineError):
                box.files.make_directory("box", f"place/d{number}")
            with contextlib.suppress(EngineError):
                box.files.own("box", "place/key", mode=0o640, uid=number)
            with contextlib.suppress(EngineError):
                box.files.own("box", "place", uid=number + 1, recursive=True)
            with contextlib.suppress(EngineError):
                box.files.own("box", "/", uid=number + 1, recursive=True)
            with contextlib.suppress(EngineError):
                box.files.move("box", "place/key", f"place/key{number}")
            with contextlib.suppress(EngineError):
                box.files.remove("box", f"place/d{number}", recursive=True)
    assert box.is_untouched()
    assert box.secret.stat().st_uid == (box.secret / "key").stat().st_uid == os.geteuid()


def test_a_tree_in_which_directories_become_links_is_removed_alone(box: Box) -> None:
    is_over = threading.Event()

    def swap() -> None:
        while not is_over.is_set():
            for change in (
                lambda: os.rename(box.data / "d" / "x", box.data / "kept"),
                lambda: os.symlink(box.secret, box.data / "d" / "x"),
                lambda: os.unlink(box.data / "d" / "x"),
                lambda: os.rename(box.data / "kept", box.data / "d" / "x"),
            ):
                with contextlib.suppress(OSError):
                    change()

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        for _ in range(ROUNDS):
            with contextlib.suppress(OSError):
                os.makedirs(box.data / "new" / "y", exist_ok=True)
                os.makedirs(box.data / "d", exist_ok=True)
                os.rename(box.data / "new", box.data / "d" / "x")
            with contextlib.suppress(EngineError):
                box.files.remove("box", "d", recursive=True)
    finally:
        is_over.set()
        thread.join()
    assert box.is_untouched()
