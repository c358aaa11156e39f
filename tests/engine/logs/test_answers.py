"""Parts of long logs: lines, their places, their levels over time, and which match, as if one read it all."""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvalidArgument
from engine.logs import answers, outline, tally
from engine.logs.answers import Answers
from engine.logs.clerk import LogClerk
from engine.logs.lines import lines_between
from engine.logs.packed import pack
from engine.logs.packer import Packer
from engine.logs.reader import LogReader
from engine.logs.segments import Segment, segments
from engine.logs.writer import LogWriter
from tests.engine.logs.test_log import Pipes
from tests.support.processes import eventually


def write(directory: Path, *writes: tuple[str, bytes], max_bytes: int = 20 << 20, keep: int = 1000) -> LogReader:
    pipes = Pipes()
    with LogWriter(directory, max_bytes, keep) as writer:
        for stream, data in writes:
            for start in range(0, len(data), 60_000):
                pipes.put(writer, data[start : start + 60_000], stream)
    pipes.close()
    return LogReader(directory)


def expected(writes: list[tuple[str, bytes]]) -> list[tuple[int, str, bytes]]:
    """(end, stream, text) of every line, put together byte by byte."""
    open_lines, lines, cursor = {"stdout": b"", "stderr": b""}, [], 0
    for stream, data in writes:
        for byte in data:
            cursor += 1
            if byte == 10:
                lines.append((cursor, stream, open_lines[stream]))
                open_lines[stream] = b""
            else:
                open_lines[stream] += bytes([byte])
    return lines


@given(
    writes=st.lists(
        st.tuples(st.sampled_from(["stdout", "stderr"]), st.text("ab\n", min_size=1, max_size=12).map(str.encode)),
        min_size=1,
        max_size=30,
    ),
    max_bytes=st.integers(5, 60),
    block=st.integers(1, 30),
    cuts=st.lists(st.integers(0, 300), max_size=4),
    chosen=st.integers(0, 255),
)
@settings(max_examples=100, deadline=None)
def test_lines_and_their_places_are_the_same_however_one_asks(
    tmp_path_factory: pytest.TempPathFactory,
    writes: list[tuple[str, bytes]],
    max_bytes: int,
    block: int,
    cuts: list[int],
    chosen: int,
) -> None:
    log = write(tmp_path_factory.mktemp("home") / "log", *writes, max_bytes=max_bytes)
    for number, segment in enumerate(log.segments()[:-1]):
        if chosen >> number & 1:
            pack(segment)
    every = expected(writes)
    borders = sorted({0, log.end(), *(min(cut, log.end()) for cut in cuts)})
    found = [line for pair in itertools.pairwise(borders) for line in lines_between(log, *pair)]
    assert [(line.end, ("stdout", "stderr")[line.stream], line.text) for line in found] == every
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outline, "BLOCK_BYTES", block)
        asked = Answers()
        for _ in range(2):  # counted, then known
            for start, end in itertools.pairwise(borders):
                blocks = asked.answer(log.directory, "outline", {"from": start, "to": end})["blocks"]
                assert sum(lines for _, lines in blocks) == sum(start < line[0] <= end for line in every)
                ends = [cursor for cursor, _ in blocks[1:]] + [end]
                for (cursor, lines), stop in zip(blocks, ends, strict=True):
                    assert lines == sum(cursor < line[0] <= stop for line in every)


def test_lines_can_be_asked_for_by_where_they_end(tmp_path: Path) -> None:
    log = write(tmp_path / "log", ("stdout", b"one\ntw"), ("stderr", b"oops\n"), ("stdout", b"o\nthree"))
    whole = Answers().answer(tmp_path / "log", "lines", {})
    texts = [[end, stream, text] for end, _, stream, text in whole["lines"]]
    assert texts == [[4, "stdout", "one"], [11, "stderr", "oops"], [13, "stdout", "two"]]
    assert whole["to"] == log.end() == 18
    some = Answers().answer(tmp_path / "log", "lines", {"at": [13, 4, 5, 99]})["lines"]
    assert [line[3] for line in some] == ["two", "one"]


def test_a_line_of_a_megabyte_is_told_by_its_beginning(tmp_path: Path) -> None:
    log = write(tmp_path / "log", ("stdout", b"x" * 1_000_000 + b"\nafter\n"))
    long, after = lines_between(log, 0, log.end())
    assert (len(long.text), long.end, after.text) == (16384, 1_000_001, b"after")
    assert next(lines_between(log, 900_000, log.end())).end == 1_000_001


def test_counts_are_made_in_passing_when_a_segment_is_compressed(tmp_path: Path) -> None:
    directory = tmp_path / "log"
    packer, pipes = Packer(), Pipes()
    with LogWriter(directory, 300_000, full=packer.submit) as writer:
        for number in range(100):
            pipes.put(writer, b"".join(b"%d line %d\n" % (number, n) for n in range(1000)))
    pipes.close()
    first = segments(directory)[0]
    eventually(first.counts.exists, what="the counts of the first segment")
    blocks = Answers().answer(directory, "outline", {})["blocks"]
    assert sum(lines for _, lines in blocks) == sum(
        1 for _ in lines_between(LogReader(directory), 0, LogReader(directory).end())
    )
    eventually(lambda: not first.data.exists() or None, what="the compressed segment")


def test_what_is_about_a_segment_goes_with_it(tmp_path: Path) -> None:
    directory = tmp_path / "log"
    log = write(directory, ("stdout", b"line\n" * 40), max_bytes=50)
    asked = Answers()
    asked.answer(directory, "outline", {})
    asked.answer(directory, "histogram", {})
    gone = log.segments()[0]
    assert gone.counts.exists()
    assert gone.levels.exists()
    Segment(directory, 7).levels.write_text("left behind")
    write(directory, ("stdout", b"line\n" * 40), max_bytes=50, keep=2)
    assert {path.name[:20] for path in directory.iterdir()} == {path.data.name[:20] for path in log.segments()}
    assert len(log.segments()) == 2


@pytest.mark.parametrize("is_backwards", [False, True])
def test_searching_in_steps_finds_what_is_there(tmp_path: Path, is_backwards: bool) -> None:
    texts = [b"line %d %s\n" % (n, b"NEEDLE" if n % 1000 == 7 else b"hay") for n in range(60_000)]
    log = write(tmp_path / "log", ("stdout", b"".join(texts)))
    ends = list(itertools.accumulate(len(text) for text in texts))
    wanted = [end for end, text in zip(ends, texts, strict=True) if b"NEEDLE" in text]
    asked, found, start, end = Answers(), [], 0, log.end()
    while start < end:
        wish = {"pattern": "needle", "from": start, "to": end, "backwards": is_backwards, "limit": 5}
        part = asked.answer(tmp_path / "log", "search", wish)
        if is_backwards:
            found, end = part["ends"] + found, part["from"]
        else:
            found, start = found + part["ends"], part["to"]
    assert part["complete"]
    assert found == wanted


@pytest.mark.parametrize(
    ("wish", "numbers"),
    [
        ({"pattern": "ÜBER"}, [0]),
        ({"pattern": "über", "case": True}, [0]),
        ({"pattern": "ÜBER", "case": True}, []),
        ({"pattern": "a.c"}, [2]),
        ({"pattern": "a.c", "expression": True}, [1, 2]),
        ({"pattern": "^red$", "expression": True}, [3]),
        ({"levels": ["error"]}, [4]),
        ({"levels": ["warn", "error"], "stream": "stderr"}, [5]),
        ({"pattern": "disk", "levels": ["none", "info"]}, []),
        ({"stream": "stderr"}, [5]),
    ],
)
def test_a_search_by_text_expression_level_and_stream(tmp_path: Path, wish: dict[str, Any], numbers: list[int]) -> None:
    lines = ["über alles", "abc", "a.c", "\x1b[31mred\x1b[0m", "ERROR disk"]
    write(tmp_path / "log", ("stdout", "".join(f"{line}\n" for line in lines).encode()), ("stderr", b"WARN disk\n"))
    every = [line[0] for line in Answers().answer(tmp_path / "log", "lines", {})["lines"]]
    found = Answers().answer(tmp_path / "log", "search", wish)["ends"]
    assert [every.index(end) for end in found] == numbers


@pytest.mark.parametrize("pattern", ["(", "a{99999999999}", "(?P<x>a)(?P=y)", "x" * 600])
def test_what_is_no_expression_is_told(tmp_path: Path, pattern: str) -> None:
    write(tmp_path / "log", ("stdout", b"a\n"))
    with pytest.raises(InvalidArgument, match=re.compile("expression|characters")):
        Answers().answer(tmp_path / "log", "search", {"pattern": pattern, "expression": True})


def test_a_histogram_counts_each_line_once_however_often_one_has_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "log"
    monkeypatch.setattr(tally, "_STEP_BYTES", 500)
    monkeypatch.setattr(answers, "BUDGET_SECONDS", 0.0)
    text = b"".join(b"%s number %d\n" % ((b"ERROR", b"INFO", b"plain")[n % 3], n) for n in range(300))
    write(directory, ("stdout", text), max_bytes=2000)
    asked = Answers()
    for _ in range(1000):
        found = asked.answer(directory, "histogram", {"buckets": 7})
        if found["complete"]:
            break
    assert [sum(column) for column in zip(*found["buckets"], strict=True)] == [100, 0, 100, 0, 100]
    write(directory, ("stdout", b"WARN one more\n"))
    monkeypatch.setattr(answers, "BUDGET_SECONDS", 60.0)
    for teller in (asked, Answers()):  # the second one reads what the first one left in files
        found = teller.answer(directory, "histogram", {"buckets": 7})
        assert [sum(column) for column in zip(*found["buckets"], strict=True)] == [100, 0, 100, 1, 100]


def test_a_tally_stays_small_and_keeps_every_line() -> None:
    counted = tally.Tally()
    for number in range(20_000):
        counted.add(1.7e9 + number * 61, number % 5)
    assert len(counted.cells) <= tally.CELLS_MAXIMUM
    assert sum(sum(cell) for cell in counted.cells.values()) == 20_000


def test_the_line_of_a_moment_is_found(tmp_path: Path) -> None:
    write(tmp_path / "log", ("stdout", b"early\n"))
    time.sleep(0.02)
    between = time.time()
    time.sleep(0.02)
    write(tmp_path / "log", ("stdout", b"late\n"))
    assert Answers().answer(tmp_path / "log", "seek", {"at": between})["line"] == 11
    assert Answers().answer(tmp_path / "log", "seek", {"at": between + 3600})["line"] is None


class TestClerk:
    def test_it_answers_and_comes_again_when_it_was_killed(self, tmp_path: Path) -> None:
        write(tmp_path / "log", ("stdout", b"one\n"))
        asked = LogClerk(60)
        try:
            assert asked.ask(tmp_path / "log", "lines", {})["lines"][0][3] == "one"
            with pytest.raises(InvalidArgument, match="can't be asked"):
                asked.ask(tmp_path / "log", "nonsense", {})
            assert asked._process is not None
            asked._process.kill()
            asked._process.wait()
            assert asked.ask(tmp_path / "log", "lines", {})["start"] == 0
            assert asked.ask(tmp_path / "nothing", "outline", {})["blocks"] == []
        finally:
            asked.close()

    def test_an_expression_that_never_ends_is_broken_off(self, tmp_path: Path) -> None:
        write(tmp_path / "log", ("stdout", b"a" * 60 + b"!\n"))
        asked = LogClerk(60)
        try:
            asked.ask(tmp_path / "log", "lines", {})  # it is there: what follows measures the expression
            asked._answer_seconds = 0.5
            with pytest.raises(InvalidArgument, match="simpler"):
                asked.ask(tmp_path / "log", "search", {"pattern": "(a+)+$", "expression": True})
            asked._answer_seconds = 60
            assert len(asked.ask(tmp_path / "log", "lines", {})["lines"]) == 1
        finally:
            asked.close()
