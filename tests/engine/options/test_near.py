"""What is said to who named something that is not there."""

from __future__ import annotations

import pytest

from engine.options.near import hint


@pytest.mark.parametrize(
    ("name", "known", "said"),
    [
        ("fornt", ["front", "back"], "did you mean front?"),
        ("FRONT", ["front", "fronts"], "did you mean front or fronts?"),
        ("zebra", [], "there is none yet"),
        ("zebra", ["front"], "there is front"),
        ("zebra", list("gfedcba"), "there are a, b, c, d, e and 2 more"),
    ],
)
def test_near_names_come_first(name: str, known: list[str], said: str) -> None:
    assert hint(name, known) == said
