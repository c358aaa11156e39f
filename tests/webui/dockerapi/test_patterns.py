"""Patterns of filters: what Go's expressions and its path.Match would say, in time that nobody can stretch."""

from __future__ import annotations

import pytest

from engine.options import expressions
from webui.dockerapi.patterns import name_matches, reference_matches


@pytest.mark.parametrize(
    ("pattern", "text", "fits"),
    [
        ("web", "web", True),
        ("web", "my-web-1", True),
        ("^web$", "web", True),
        ("^web$", "web1", False),
        ("^/?web$", "web", True),
        ("^/?web$", "/web", True),
        ("^web", "web-1", True),
        ("^web", "a-web", False),
        ("web$", "a-web", True),
        ("w.b", "wob", True),
        ("^w.*1$", "web-1", True),
        ("^w.*1$", "web-2", False),
        ("^we+b$", "weeeb", True),
        ("^we+b$", "wb", False),
        ("^web-[0-9]+$", "web-12", True),
        ("^web-[0-9]+$", "web-x", False),
        ("^web-[^0-9]$", "web-x", True),
        (r"^[\w]+$", "abc", True),
        (r"^[^\d-]$", "5", False),
        (r"^[^\d-]$", "x", True),
        (r"^a[\]x]$", "a]", True),
        ("^[]a]$", "]", True),
        ("^[^]a]$", "]", False),
        ("^[a-]$", "-", True),
        ("[[:alpha:]]", "x", False),  # taken as text
        (r"^web\.1$", "web.1", True),
        (r"^web\.1$", "webx1", False),
        (r"^web-\d$", "web-7", True),
        (r"^a?b?c$", "c", True),
        (r"^a?b?c$", "ac", True),
        ("(a|b)", "xxa", True),
        ("^(a|b)-[0-9]$", "b-1", True),
        ("^(a|b)-[0-9]$", "c-1", False),
        ("^a$|^b", "bc", True),
        ("^a$|^b", "ac", False),
        ("(ab)+", "abab", False),  # repeated groups are taken as text
        ("(ab)+", "x(ab)+", True),
        ("((a))", "a", False),
        ("(a", "x(a", True),
        ("", "web", True),
        ("^$", "", True),
        ("[", "a[b", True),
    ],
)
def test_names_fit_as_with_go(pattern: str, text: str, fits: bool) -> None:
    assert name_matches(pattern, text) is fits


def test_no_pattern_takes_long() -> None:
    """With Python's own expressions this would not end in this life."""
    assert not name_matches("^" + "a*" * 100 + "b$", "a" * 200)
    assert not reference_matches("*a" * 100 + "b", "a" * 200)
    assert not name_matches("a" * 1000, "b")
    assert not name_matches("(a|b)" * 40, "ab" * 20)


@pytest.mark.parametrize(
    ("pattern", "tag", "fits"),
    [
        ("alpine", "alpine:3.20", True),
        ("alpine:3.20", "alpine:3.20", True),
        ("alpine:*", "alpine:3.20", True),
        ("alp*", "alpine:3.20", True),
        ("alp", "alpine:3.20", False),
        ("*", "team/app:1", False),
        ("*/*", "team/app:1", True),
        ("team/*:1", "team/app:1", True),
        ("host:5000/*", "host:5000/app:1", True),
        ("host:5000/app", "host:5000/app:1", True),
        ("alpine:3.2?", "alpine:3.20", True),
        ("alpine:[0-3]*", "alpine:3.20", True),
        ("alpine:[4-9]*", "alpine:3.20", False),
    ],
)
def test_references_fit_as_shell_patterns(pattern: str, tag: str, fits: bool) -> None:
    assert reference_matches(pattern, tag) is fits


def test_alternatives_do_not_multiply_what_a_pattern_may_cost() -> None:
    assert expressions.read("a?" * 90 + "(" + "|".join("bcdefghij") + ")$") is None
    assert expressions.read("a?" * 20 + "(" + "|".join("bcdefghij") + ")$") is not None
