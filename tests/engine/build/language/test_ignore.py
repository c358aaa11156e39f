"""`.dockerignore`, by a table: what BuildKit's matcher (moby/patternmatcher of 2026) made of each of its rows."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.build.language import DockerfileError
from engine.build.language.ignore import IgnoreRules, file_names
from engine.build.language.ignore_patterns import _walk, compile
from tests.engine.build.language.properties import ANY

TABLE = json.loads((Path(__file__).parent / "data/ignore.json").read_text())
PATHS = TABLE["paths"]


@pytest.mark.parametrize(("text", "excluded"), TABLE["cases"])
def test_what_is_left_out(text: str, excluded: list[str]) -> None:
    rules = IgnoreRules.parse(text)
    assert [path for path in PATHS if rules.excludes(path)] == excluded
    assert [path for path in reversed(PATHS) if IgnoreRules.parse(text.encode()).excludes(path)] == excluded[::-1]
    for directory in {path.rpartition("/")[0] for path in PATHS} - {""}:
        below = [path for path in PATHS if path.startswith(directory + "/") and path not in excluded]
        assert rules.may_contain(directory) or not below


@pytest.mark.parametrize("text", TABLE["refused"])
def test_what_is_no_pattern_is_refused_where_it_stands(text: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        IgnoreRules.parse(f"# first\n{text}\n")
    location = caught.value.location
    assert location is not None and location.line == 2 + text.count("\n")
    assert caught.value.message.startswith(f".dockerignore:{location.line}:1: ")


@pytest.mark.parametrize(
    ("rules", "directory", "may"),
    [
        ("a", "a", False),
        ("a", "b", True),
        ("*\n!docs/*.md", "docs", True),
        ("*\n!docs/*.md", "src", False),
        ("*\n!docs/*.md", "docs/deep", True),
        ("*\n!**/x", "src", True),
        ("*\n!a/b/c", "a", True),
        ("*\n!a/b/c", "a/b", True),
        ("*\n!a/b/c", "a/x", False),
        ("*\n!a/b", "a/b/c", True),
        ("*\n!ab", "a", False),
    ],
)
def test_where_nobody_needs_to_look(rules: str, directory: str, may: bool) -> None:
    assert IgnoreRules.parse(rules).may_contain(directory) is may


def test_the_file_beside_a_dockerfile_comes_first() -> None:
    assert file_names("deploy/web.Dockerfile") == ("deploy/web.Dockerfile.dockerignore", ".dockerignore")


def test_a_path_of_many_parts_and_a_pattern_of_many_stars() -> None:
    """`re` alone would not come to an end with these."""
    rules = IgnoreRules.parse("*a" * 200 + "b\n" + "**/x" * 30 + "\n!" + "*a" * 100)
    assert not rules.excludes("a" * 255)
    assert not rules.excludes("a/" * 500 + "b")


@ANY
@given(
    st.lists(
        st.sampled_from(["a", "b", "/", "*", "**", "?", "[ab]", "[^a]", "\\*", ".", "!", " ", "#", "\r"]), max_size=9
    ),
    st.lists(st.lists(st.sampled_from(["a", "b", "ab", ".a", "*"]), min_size=1, max_size=4).map("/".join), max_size=8),
)
def test_all_ways_to_match_agree(parts: list[str], paths: list[str]) -> None:
    try:
        rules = IgnoreRules.parse("".join(parts))
    except DockerfileError:
        return
    for rule in rules.rules:
        for path in paths:
            if rule.pattern.is_general:
                assert rule.pattern.fits(path) == _walk(rule.pattern.parts, path)


@ANY
@given(st.text(max_size=60))
def test_whatever_the_text_it_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(DockerfileError):
        IgnoreRules.parse(text).excludes("a/b")


@ANY
@given(st.text(min_size=1, max_size=20, alphabet=st.characters(exclude_characters="/\n", exclude_categories=["Cs"])))
def test_an_escaped_name_is_itself(name: str) -> None:
    pattern = compile("".join("\\" + character for character in name))
    assert pattern.fits(name) and not pattern.fits(name + "x")
