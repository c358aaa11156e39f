"""The level of a line, in the words of many programs; the browser's recognition is held to the same table."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.logs.levels import LEVELS, level_of

CASES = json.loads(Path(__file__).with_name("levels.json").read_text())


@pytest.mark.parametrize(("line", "level"), CASES)
def test_a_line_tells_its_level(line: str, level: str) -> None:
    assert LEVELS[level_of(line.encode())] == level


@given(st.binary(max_size=300))
def test_any_bytes_have_a_level(line: bytes) -> None:
    assert 0 <= level_of(line) < len(LEVELS)


def test_hostile_lines_cost_no_more_than_others() -> None:
    """CPU time, not the clock's: nothing in it grows faster than the line, of which only the beginning is read."""
    begin = time.process_time()
    for text in (
        b'{"level"' * 100_000,
        b"level=" * 100_000,
        b"[" * 1_000_000,
        b"<" * 1_000_000,
        b'{"level":' + b" " * 10**6,
    ):
        level_of(text)
    assert time.process_time() - begin < 2
