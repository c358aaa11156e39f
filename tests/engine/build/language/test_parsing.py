"""What a Dockerfile's text becomes, and where what is wrong with it is shown."""

import pytest

from engine.build.language import DockerfileError, expanded, model, onbuild, parse
from engine.build.language.model import Command, HereDocument, Mount


def only(text: str) -> model.Instruction:
    """The one instruction of a stage."""
    (found,) = parse(f"FROM a\n{text}".encode()).stages[0].instructions
    return found


def refused(text: str) -> DockerfileError:
    with pytest.raises(DockerfileError) as caught:
        parse(text.encode())
    return caught.value


def test_stages_and_global_arguments() -> None:
    found = parse(
        b"ARG V=1 W\nFROM --platform=$BUILDPLATFORM golang:$V AS Build\nRUN a\nFROM scratch\nCOPY --from=build /a /b\n"
    )
    assert [one.pairs for one in found.arguments] == [(("V", "1"), ("W", None))]
    first, second = found.stages
    assert (first.index, first.name, first.base, first.platform) == (0, "build", "golang:$V", "$BUILDPLATFORM")
    assert (second.index, second.name, second.base, second.platform) == (1, None, "scratch", None)
    (copy,) = second.instructions
    assert (
        isinstance(copy, model.Copy) and copy.from_ == "build" and copy.sources == ("/a",) and copy.destination == "/b"
    )


def test_lines_go_on_over_comments_and_empty_lines() -> None:
    found = parse(b"FROM a\nRUN one \\\n  # a comment\n\n  two \\ \n\tthree\nCMD b")
    run, cmd = found.stages[0].instructions
    assert isinstance(run, model.Run) and run.command == Command(("one   two \tthree",), True)
    assert (run.location.line, run.location.column, run.location.end_line, run.location.end_column) == (2, 1, 6, 7)
    assert cmd.location.line == 7
    assert [warning.rule for warning in found.warnings] == ["NoEmptyContinuation"]


def test_here_documents() -> None:
    found = only("COPY <<A <<-'B' plain /d/\n$x\nA\n\ty\n\tB\n")
    assert isinstance(found, model.Copy)
    assert found.documents == (HereDocument("A", "$x\n", True, False), HereDocument("B", "\ty\n", False, True))
    assert found.sources == ("plain",)
    run = only("RUN <<EOF\n#!/bin/sh\necho\nEOF\n")
    assert isinstance(run, model.Run)
    assert (run.command, run.files) == (
        Command(("<<EOF",), True), (HereDocument("EOF", "#!/bin/sh\necho\n", True, False),)
    )  # fmt: skip


def test_a_list_in_json_is_the_exec_form_and_anything_else_is_the_shells() -> None:
    assert only('CMD ["a", "b\\u00e9"]').command == Command(("a", "bé"), False)  # type: ignore[attr-defined]
    assert only("CMD ['a']").command == Command(("['a']",), True)  # type: ignore[attr-defined]
    assert refused('FROM a\nCMD ["a", 1]').location.line == 2  # type: ignore[union-attr]


def test_mounts() -> None:
    found = only("RUN --mount=type=cache,target=/c,sharing=locked,uid=5 --mount=dst=$D,from=x,rw go")
    assert isinstance(found, model.Run)
    assert found.mounts[0] == Mount("cache", target="/c", sharing="locked", uid=5, readonly=False)
    assert expanded(found, {"D": "/d"}).mounts[1] == Mount("bind", target="/d", from_="x", readonly=False)  # type: ignore[attr-defined]


def test_an_error_shows_the_place() -> None:
    error = refused("FROM a\n\nCOPY  --chwon=1 \\\n  a b\n")
    assert error.message.splitlines() == [
        "Dockerfile:3:7: COPY has no flag --chwon (did you mean --chown?)",
        "",
        "   1 | FROM a",
        "   2 |",
        " > 3 | COPY  --chwon=1 \\",
        "     |       ^^^^^^^^^",
        "   4 |   a b",
    ]
    assert error.detail["line"] == 3 and error.detail["column"] == 7 and error.detail["end_column"] == 16


def test_a_trigger_is_one_instruction() -> None:
    assert onbuild("RUN x").word == "RUN"
    for text in ("FROM a", "RUN a\nRUN b", "# nothing", ""):
        with pytest.raises(DockerfileError):
            onbuild(text)
