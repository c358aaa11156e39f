"""Variables in words, by a table: what BuildKit's own lexer (of 2026) made of each of its rows."""

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.build.language import DockerfileError, expand, expand_words, used_variables
from engine.build.language.expansion import DEEPEST, RESULT_CHARACTERS, Expander, expand_document
from tests.engine.build.language.properties import ANY

TABLE = json.loads((Path(__file__).parent / "data/expansion.json").read_text())
VARIABLES = TABLE["variables"]


@pytest.mark.parametrize(("word", "result", "missing", "document"), TABLE["cases"])
def test_a_word(word: str, result: str | None, missing: list[str], document: str | None) -> None:
    if result is None:
        with pytest.raises(DockerfileError):
            expand(word, VARIABLES)
    else:
        expander = Expander(word, VARIABLES)
        assert expander.whole() == result == expand(word, VARIABLES)
        assert sorted(expander.missing) == missing
        assert expander.found | expander.missing <= used_variables(word)
    if document is not None:
        assert expand_document(word, VARIABLES) == document


@pytest.mark.parametrize(("word", "result"), TABLE["backtick"])
def test_a_word_with_the_backtick_as_escape(word: str, result: str | None) -> None:
    if result is None:
        with pytest.raises(DockerfileError):
            expand(word, VARIABLES, escape="`")
    else:
        assert expand(word, VARIABLES, escape="`") == result


@pytest.mark.parametrize(("word", "words"), TABLE["split"])
def test_words_are_split_after_variables_are_replaced(word: str, words: list[str]) -> None:
    assert list(expand_words(word, VARIABLES)) == words


def test_a_word_before_a_substitution_is_not_lost() -> None:
    """Of `80${x:-80}`, BuildKit's splitting keeps `80` alone."""
    assert expand_words("a80${x:-81} b", {}) == ("a8081", "b")


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("${nope:?set it with --build-arg}", "nope: set it with --build-arg"),
        ("${nope?}", "nope: is not allowed to be unset"),
        ("${empty:?}", "empty: is not allowed to be empty"),
        ("it's", "a single quote (') is not closed, in \"it's\""),
        ('"x', "a double quote (\") is not closed, in '\"x'"),
        ("${a", "'}' is missing at the end of a substitution, in '${a'"),
        ("${a^^}", "'^' is no way to substitute: use :- :+ :? - + ? # ## % %% / or //, in '${a^^}'"),
        ("${}", "a name is missing after '${', in '${}'"),
        ("${a#\\x}", "'\\x' in the pattern '\\\\x': only * ? \\ } and / are written with a backslash"),
    ],
)
def test_what_is_wrong_is_said(word: str, problem: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        expand(word, VARIABLES)
    assert caught.value.problem == problem


def test_nothing_grows_or_nests_without_end() -> None:
    for word in ("$x" * 3000, "${x//?/$x}", "${x//z/}" + "$x" * 3000, "${a:-" * (DEEPEST + 1) + "}" * (DEEPEST + 1)):
        with pytest.raises(DockerfileError):
            expand(word, {"x": "y" * (RESULT_CHARACTERS // 1000)})
    assert expand("${a:-" * DEEPEST + "b" + "}" * DEEPEST, {}) == "b"


@pytest.mark.parametrize("value", ["a" * 20_000, "ab" * 10_000, "a\n" * 10_000])
@pytest.mark.parametrize("pattern", ["*a*a*a*a*a*a*b*c", "?*?*?*?*?*x", "a" * 500 + "?b", "*", "a*", "*?a"])
def test_a_hostile_pattern_ends(pattern: str, value: str) -> None:
    """With expressions that try again, some of these would not come to an end in a lifetime."""
    for operator in ("#", "##", "%", "%%", "/", "//"):
        close = "/-}" if operator.startswith("/") else "}"
        assert isinstance(expand("${v" + operator + pattern + close, {"v": value}), str)


@ANY
@given(
    st.text(alphabet="ab$ {}:-+?#%/*\\'\"`<\n", max_size=40),
    st.dictionaries(st.sampled_from("ab"), st.text(max_size=5)),
)
def test_whatever_the_word_it_is_read_or_refused(word: str, variables: dict[str, str]) -> None:
    for escape in ("\\", "`"):
        with contextlib.suppress(DockerfileError):
            expand(word, variables, escape=escape)
            expand_words(word, variables, escape=escape)
    with contextlib.suppress(DockerfileError):
        expand_document(word, variables)


@ANY
@given(st.text(max_size=40))
def test_what_is_quoted_stays(text: str) -> None:
    assert expand("'" + text.replace("'", "'\"'\"'") + "'", {"a": "x"}) == text
