"""Addresses of git repositories, by a table: what BuildKit's own reader (of 2026) made of each of its rows."""

import contextlib
import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.build.language.git_source import GitSource, keeps_git_dir, read
from engine.errors import InvalidArgument
from tests.engine.build.language.properties import ANY

_PARTS = st.sampled_from(
    ["https://", "git@h:", "h", "/", ".git", "#", ":", "?", "ref=", "&", "..", "a", "%2e", " ", "-", "\n", "["]
)
TABLE = json.loads((Path(__file__).parent / "data/git.json").read_text())


@pytest.mark.parametrize(("source", "wanted", "name"), TABLE)
def test_an_address(source: str, wanted: list[object] | str | None, name: str | None) -> None:
    if wanted == "refused":
        with pytest.raises(InvalidArgument):
            read(source)
        return
    found = read(source)
    assert (None if found is None else list(dataclasses.astuple(found))) == wanted
    assert found is None or found.name == str(name).rpartition(":")[2]


def test_a_builds_arguments_say_whether_the_git_directory_stays() -> None:
    name = "BUILDKIT_CONTEXT_KEEP_GIT_DIR"
    assert [keeps_git_dir({name: value}) for value in ("1", "true", "0", "")] == [True, True, False, False]
    assert not keeps_git_dir({})


def test_of_a_context_the_short_form_is_one_too() -> None:
    assert read("github.com/a/b") is None
    assert read("github.com/a/b#v1:docs", is_context=True) == GitSource("https://github.com/a/b", "v1", "docs")


@pytest.mark.parametrize(
    "source", ["-oProxyCommand=x@h:a", "git@h:-x#-b", "https://h/x.git#--upload-pack=x", "git://h:x/y"]
)
def test_nothing_becomes_an_option_of_git(source: str) -> None:
    with contextlib.suppress(InvalidArgument):
        assert read(source) is None


def test_a_password_is_not_shown() -> None:
    found = read("https://me:secret@h/x.git#v1")
    assert found is not None and found.remote == "https://me:secret@h/x.git" and found.shown == "https://h/x.git"
    assert found.is_encrypted and not GitSource("git://h/x").is_encrypted


@ANY
@given(st.lists(_PARTS, max_size=12).map("".join))
def test_whatever_the_text_it_is_read_or_refused(source: str) -> None:
    with contextlib.suppress(InvalidArgument):
        found = read(source, is_context=True)
        if found is not None:
            assert not found.remote.startswith("-") and ".." not in (found.directory or "").split("/")
