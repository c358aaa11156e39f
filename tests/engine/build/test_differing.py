"""Which files differ between two images: what is seen, hidden, replaced, and what only has another time."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Iterator, Mapping

import pytest

from engine.build import differing
from engine.build.differing import Difference, Differences
from engine.errors import NotFound
from tests.support.builds import Built, Workbench

pytestmark = pytest.mark.root

BASE = (
    "FROM tiny AS base\nRUN mkdir -p /d/e /gone && echo one > /d/f && echo two > /d/e/g && ln -s f /d/l "
    "&& touch /gone/x\n"
)


def compared(bench: Workbench, before: Built, after: Built, limit: int = 1000) -> Differences:
    return bench.engine.builder.differences(before.result.image_id, after.result.image_id, limit)


def by_path(found: Differences) -> Mapping[str, Difference]:
    return {row.path: row for row in found.differences}


def test_what_one_step_more_does(bench: Workbench) -> None:
    before = bench.build(BASE)
    after = bench.build(
        f"{BASE}RUN echo longer > /d/f && rm -r /gone && mkdir /new && head -c 1000 /dev/zero > /new/a "
        "&& ln /new/a /new/b && ln -sf e /d/l && chmod 700 /d/e && chown app /d/e/g\n"
    )
    found = compared(bench, before, after)
    rows = by_path(found)
    assert (found.added, found.changed, found.removed, found.more, found.is_cut) == (1, 4, 1, False, False)
    assert rows["/d/f"] == Difference("/d/f", "changed", "file", 4, 7, 1, ("content",))
    assert rows["/gone"] == Difference("/gone", "removed", "directory", 0, None, 1)
    assert rows["/new"] == Difference("/new", "added", "directory", None, 1000, 2)
    assert (rows["/d/l"].what, rows["/d/e"].what, rows["/d/e/g"].what) == (("target",), ("mode",), ("owner",))
    assert found.differences[0].path == "/new"  # what changes the size most
    back = compared(bench, after, before)
    assert (back.added, back.changed, back.removed) == (1, 4, 1)
    assert by_path(back)["/new"].change == "removed"


def test_another_time_is_no_difference_and_the_same_size_is_read(bench: Workbench) -> None:
    text = "FROM tiny\nRUN mkdir /d && echo {0} > /d/f && echo {1} > /d/g && touch -d @{2} /d/f /d/g\n"
    found = compared(bench, bench.build(text.format("a", "x", 1000)), bench.build(text.format("a", "y", 2000)))
    assert [(row.path, row.what) for row in found.differences] == [("/d/g", ("content",))]


def test_the_same_image_and_one_with_another_setting_differ_in_nothing(bench: Workbench) -> None:
    one, other = bench.build(BASE), bench.build(f"{BASE}ENV A=1\n")
    for found in (compared(bench, one, one), compared(bench, one, other)):
        assert found == Differences(0, 0, 0, (), more=False, is_cut=False)


def test_a_directory_that_is_made_anew_hides_what_was_below(bench: Workbench) -> None:
    before = bench.build(BASE)
    anew = bench.build(f"{BASE}RUN rm -r /d && mkdir -p /d/e && echo one > /d/f\n")
    found = by_path(compared(bench, before, anew))
    assert {path: row.change for path, row in found.items()} == {"/d/e/g": "removed", "/d/l": "removed"}
    steps = bench.build(f"{BASE}RUN rm -r /d\nRUN mkdir -p /d/e && echo one > /d/f\n")
    assert {path: row.change for path, row in by_path(compared(bench, before, steps)).items()} == {
        path: row.change for path, row in found.items()
    }
    assert by_path(compared(bench, anew, steps)) == {}


def test_a_file_in_the_place_of_a_directory(bench: Workbench) -> None:
    after = bench.build(f"{BASE}RUN rm -r /d && echo file > /d\n")
    found = by_path(compared(bench, bench.build(BASE), after))
    assert found == {"/d": Difference("/d", "changed", "file", 8, 5, 1, ("type",))}


def test_images_of_different_bases(bench: Workbench) -> None:
    found = compared(bench, bench.build("FROM scratch\nCOPY a b /\n", {"a": "1", "b": "2"}),
                     bench.build("FROM scratch\nCOPY b c /\n", {"b": "2", "c": "33"}))  # fmt: skip
    assert {row.path: row.change for row in found.differences} == {"/a": "removed", "/c": "added"}


def test_a_link_leads_nowhere_and_names_are_any_bytes(bench: Workbench) -> None:
    before = bench.build("FROM tiny\nRUN mkdir /etc2 && ln -s /etc /lead && echo x > /etc2/p\n")
    after = bench.build(
        "FROM tiny\nRUN mkdir /etc2 && ln -s /etc /lead && echo x > /etc2/p\n"
        "RUN rm -r /etc2 && ln -s /etc /etc2; printf x > \"$(printf '/odd\\377\\nname')\"\n"
    )
    found = by_path(compared(bench, before, after))
    assert (found["/etc2"].type, found["/etc2"].what) == ("link", ("type",))
    assert "/odd\\xff\nname" in found
    assert len(found) == 2


def test_as_many_as_are_wanted_and_no_longer_than_allowed(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    before = bench.build(BASE)
    after = bench.build(f"{BASE}RUN for i in $(seq 50); do echo $i > /d/n$i; done\n")
    found = compared(bench, before, after, limit=10)
    assert (found.added, len(found.differences), found.more) == (50, 10, True)
    monkeypatch.setattr(differing, "SECONDS", -1.0)
    began = time.monotonic()
    assert compared(bench, before, after).is_cut
    assert time.monotonic() - began < 5
    with pytest.raises(NotFound):
        bench.engine.builder.differences(before.result.image_id, "sha256:" + "0" * 64)


def test_a_directory_of_many_names_is_not_taken_as_a_whole(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """As names come they are counted, in a directory that both have as in one that is new."""
    before = bench.build(BASE)
    many = "i=0; while [ $i -lt 3000 ]; do : > {}/n$i; i=$((i+1)); done"
    for after in (
        bench.build(f"{BASE}RUN {many.format('/d')}\n"),
        bench.build(f"{BASE}RUN mkdir /new && {many.format('/new')}\n"),
    ):
        assert not compared(bench, before, after).is_cut
        with monkeypatch.context() as patched:
            patched.setattr(differing, "ENTRIES", 100)
            taken = counted(patched)
            found = compared(bench, before, after)
            assert found.is_cut and 0 < found.added <= 100
            assert len(taken) < 300


def counted(patched: pytest.MonkeyPatch) -> list[str]:
    """The names that are read of directories from now on."""
    taken: list[str] = []
    scandir = os.scandir

    @contextlib.contextmanager
    def counting(directory: int) -> Iterator[Iterator[os.DirEntry[str]]]:
        with scandir(directory) as entries:
            yield (entry for entry in entries if not taken.append(entry.name))  # type: ignore[func-returns-value]

    def listing(directory: int) -> list[str]:
        with counting(directory) as entries:
            return [entry.name for entry in entries]

    patched.setattr(os, "scandir", counting)
    patched.setattr(os, "listdir", listing)
    return taken


def test_it_agrees_with_the_files_themselves(bench: Workbench) -> None:
    """Random changes over several steps: whatever differs between all files of both is a row, or lies below one."""
    chance = random.Random(7)
    lines = [BASE.strip()]
    for number in range(12):
        path = f"/t/{chance.randrange(4)}/{chance.randrange(4)}"
        lines.append(
            "RUN "
            + chance.choice(
                [
                    f"rm -rf {path}; mkdir -p {path} && echo {number} > {path}/f{number % 3}",
                    f"rm -rf {path.rpartition('/')[0]}",
                    f"rm -rf {path}; mkdir -p {path.rpartition('/')[0]}; echo {number} > {path}",
                    f"mkdir -p {path} && touch {path}/f{number % 3} || true",
                ]
            )
        )
    built = [bench.build("\n".join(lines[:count]) + "\n") for count in (4, 8, 11, 13)]
    for before in built:
        for after in built:
            first, second = bench.files(before), bench.files(after)
            real = {f"/{path}" for path in first.keys() | second.keys() if first.get(path) != second.get(path)}
            told = by_path(compared(bench, before, after))
            shown = {path for path in real if not any(path.startswith(f"{row}/") for row in told)}
            assert shown == set(told), (before.result.image_id, after.result.image_id)
