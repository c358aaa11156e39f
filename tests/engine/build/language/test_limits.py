"""Whatever a stranger sends comes to an end: what is too much is refused, the rest is read once, from front to back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.build.language import DockerfileError, Known, expanded, lint, parse, parsing
from engine.build.language.lines import FILE_BYTES, LINE_BYTES
from engine.build.language.lint import WARNINGS
from engine.build.language.suggestions import distance, nearest
from tests.engine.build.language.properties import ANY


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"", "Dockerfile is empty: it needs at least FROM and an image, or FROM scratch"),
        (b"FROM a\n" + b"#" * FILE_BYTES, "Dockerfile has 1,048,583 bytes, and 1,048,576 is the most"),
        (b"FROM a\n#" + b"x" * LINE_BYTES, "a line of more than 65,535 bytes"),
        (b"FROM a\nRUN \xc3\xa9\xe9", "the byte 0xe9, which is not UTF-8: save the file as UTF-8 text"),
        (b"FROM a\nRUN <<E\n\0\nE\n", "a zero byte: save the file as UTF-8 text"),
        (b"\xff\xfeF\0R\0O\0M\0 \0a\0", "the byte 0xff, which is not UTF-8"),
    ],
)
def test_what_is_too_much_or_no_text(data: bytes, problem: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(data)
    assert caught.value.problem.startswith(problem)


def test_many_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "INSTRUCTIONS", 100)
    assert len(parse(b"FROM a\n" + b"RUN\n" * 99).stages[0].instructions) == 99
    with pytest.raises(DockerfileError, match="more than 100 instructions"):
        parse(b"FROM a\n" + b"RUN\n" * 100)


def test_just_below_the_limits() -> None:
    found = parse(b"FROM a\n#" + b"x" * (LINE_BYTES - 1) + b"\n# \xe9 is no UTF-8, but a comment\n" + b"RUN\n" * 10)
    assert len(found.stages[0].instructions) == 10


HOSTILE = {
    "names of here-documents": b"FROM a\n" + b"RUN" + b" <<a" * 10_000 + b"\n" + b"a\n" * 10_000,
    "angle brackets": b"FROM a\nCOPY " + b"<" * 60_000 + b" x\n",
    "continued lines": b"FROM a\nRUN " + b"\\\n" * 100_000,
    "words": b"FROM a\nENV " + b"a=1 \\\n" * 5000 + b"b=1",
    "brackets": b"FROM a\nCMD " + b"[" * 60_000,
    "substitutions in one another": b"FROM a\nENV a=" + b"${a:-" * 12_000,
    "a value that doubles": b"FROM a\nENV v=aaaaaaaa\n" + b"ENV v=$v$v\n" * 100,
    "a pattern of stars": b"FROM a\nENV v=" + b"a" * 60_000 + b"\nENV w=${v##" + b"*a" * 10_000 + b"b}\n",
    "ports": b"FROM a\nEXPOSE " + b"1-65535 " * 8000,
    "undefined names": b"FROM scratch\n" + b"".join(b"ENV v%d=1\nUSER $w%d\n" % (at, at) for at in range(150)),
    "stages": b"".join(b"FROM a AS b%d\n" % at for at in range(300)),
    "a long name": b"FROM a\n" + b"X" * 60_000,
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_what_is_hostile_comes_to_an_end(data: bytes) -> None:
    try:
        found = parse(data)
    except DockerfileError:
        return
    findings = lint(found, Known())
    assert len(findings.warnings) <= WARNINGS


def test_the_nearest_name() -> None:
    assert nearest("chwon", ["chmod", "chown"]) == "chown"
    assert nearest("FORM", ["FROM", "RUN"]) == "FROM"
    assert nearest("form", ["FROM"]) is None and nearest("form", ["FROM"], ignore_case=True) == "FROM"
    assert nearest("FROM", ["FROM", "FROMM"]) is None
    assert nearest("abcd", []) is None and nearest("abcd", ["wxyz"]) is None
    assert distance("ab", "ba") == 1 and distance("", "abc") == 3 and distance("kitten", "sitting") == 3


_WORDS = st.sampled_from(
    [*"ab$\\`'\"{}:-#%/*?<>=,[]\n\r\t ", "FROM a", "RUN ", "COPY ", "ENV ", "\n", "<<E", "\nE\n", "${a",
     "--mount=type=cache,", "ONBUILD ", "HEALTHCHECK ", "# escape=`\n", "EXPOSE ", "ARG ", "\ufeff", "\x85", "é",
     "\udc80"]
)  # fmt: skip


@ANY
@given(st.lists(_WORDS, max_size=30).map("".join), st.booleans())
def test_whatever_the_text_it_is_read_or_refused(text: str, begins_well: bool) -> None:
    data = (("FROM a\n" if begins_well else "") + text).encode("utf-8", "surrogateescape")
    try:
        found = parse(data)
    except DockerfileError as error:
        assert error.location is None or error.location.line <= data.count(b"\n") + 1
        return
    for stage in found.stages:
        for one in stage.instructions:
            try:
                expanded(one, {"a": "x"}, escape=found.directives.escape)
            except DockerfileError as error:
                assert error.location == one.location
    lint(found)
