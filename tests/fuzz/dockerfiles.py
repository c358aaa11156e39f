"""Dockerfiles and .dockerignore: what is wrong is refused by DockerfileError, what is read holds together."""

from __future__ import annotations

import dataclasses
import random
import unicodedata

from engine.build.language import DockerfileError, IgnoreRules, Known, expanded, lint, parse
from engine.build.language.commands import invocation
from engine.build.language.model import Dockerfile, From, Instruction, Onbuild, Run
from engine.build.language.parsing import onbuild
from engine.errors import EngineError

_VARIABLES = {"a": "one two", "b": "", "path": "/usr/lib/x.so.1"}
_LINES = (
    b"FROM a AS b", b"FROM --platform=$a scratch", b"ARG a b=$a c", b"RUN a \\", b"RUN <<E", b"E", b"F",
    b"RUN <<-'E' cat <<F", b"COPY --from=b --link --exclude=*.c <<E x /y/", b"ADD --checksum=a --unpack http://h/x /",
    b"ENV a=${b:-$c} 'd'=\"e\"", b"ENV a b", b"LABEL a=b", b'CMD ["a", "b"]', b"CMD a", b"ENTRYPOINT []",
    b"EXPOSE 80/udp $a 1-3", b"VOLUME /a /b", b"WORKDIR x", b"USER ${path##*/}", b"HEALTHCHECK --interval=1m CMD x",
    b"HEALTHCHECK NONE", b"ONBUILD RUN <<E", b'SHELL ["a"]', b"STOPSIGNAL 9", b"MAINTAINER x", b"# check=skip=all",
    b"# escape=`", b"", b"  ", b"# c", b"\t&& x `",
    b"RUN --mount=type=cache,target=$a,sharing=locked --network=none x",
    b'RUN --mount=type=secret,\\"id=a,b\\",env --device=v=d x', b"STOPSIGNAL ${path/l*/${a:+x}}",
)  # fmt: skip
SEEDS = (
    b"\n".join((_LINES[0], *_LINES[2:7], b"E", b"F", *_LINES[9:])),
    b"# syntax=x\n# escape=`\n# check=skip=all;error=true\nFROM a\nRUN x `\n  y\n",
    b"\xef\xbb\xbfFROM a\r\nRUN <<E\r\nx\r\nE\r\nCMD y\r\n",
    *(b"FROM a\n" + line + b"\nE\nF\n" for line in _LINES),
)
WORDS = (
    b"${", b"}", b":-", b"##", b"%%", b"//", b"$a", b"'", b'"', b"\\", b"`", b"\\\n", b"\n", b"\r\n", b"<<", b"<<-",
    b"--", b"=", b"[", b'["', b'"]', b"--mount=", b"--from=", b"type=", b",", b" AS ", b"#", b"\xc2\xa0", b"\xff",
    b"\0", b"\xef\xbb\xbf", b"ONBUILD ", b"RUN ", b"COPY ", b"ENV ", b"*", b"?", b"# check=", b"skip=", b"\t",
)  # fmt: skip
IGNORE_SEEDS = (
    b"*\n!src\nsrc/**/*.pyc\n# c\n\xef\xbb\xbf\n /a/ \n[a-c]?\\*\n",
    b"**/x\n!**\nx/**\r\n**a**b\n",
    b"*a*a*a*a*a*b\n",
)
IGNORE_WORDS = (b"*", b"**", b"**/", b"/**", b"!", b"[", b"]", b"[^", b"-", b"\\", b"?", b"/", b"..", b"#", b"\n", b" ")
_PATHS = ("a", "a/b", "src/x/y.pyc", "aaaaaaaaaaaaaaab", "x/" * 20 + "x", "é", "a" * 300)


def dockerfile(data: bytes) -> None:
    """Read, expanded, linted; places lie in the file; an instruction's own text reads as the same again."""
    try:
        found = parse(data)
    except EngineError as error:
        _refused(error)
        raise
    assert found.stages and found.stages[0].start.location.line >= 1
    for stage in found.stages:
        for one in (stage.start, *stage.instructions):
            _holds(found, one)
    for warning in lint(found, Known(build_args={"a": "b"})).warnings:
        assert 1 <= warning.location.line <= len(found.source.lines)


def _holds(found: Dockerfile, one: Instruction) -> None:
    place = one.location
    assert 1 <= place.line <= place.end_line <= len(found.source.lines) and place.column >= 1
    assert one.word == one.keyword.upper()
    try:
        expanded(one, _VARIABLES, escape=found.directives.escape)
    except EngineError as error:
        _refused(error)
    if isinstance(one, Run):
        assert invocation(one).argv or not one.command.argv
    if isinstance(one, From | Onbuild) or "<<" in one.original or found.directives.escape != "\\":
        return
    if one.original and not one.original.endswith("\\"):
        again = onbuild(one.original)
        assert again == dataclasses.replace(one, location=again.location, comments=())


def _refused(error: EngineError) -> None:
    assert isinstance(error, DockerfileError) and error.problem
    assert all(one == "\n" or unicodedata.category(one) not in ("Cc", "Cf", "Cs") for one in error.message), (
        error.message
    )


def ignore(data: bytes) -> None:
    """All paths get an answer, whatever is above them decides for what is below unless something is brought back."""
    rules = IgnoreRules.parse(data)
    for path in _PATHS:
        out = rules.excludes(path)
        if not rules.brings_back and out:
            assert rules.excludes(path + "/below")
        assert rules.may_contain(path) or rules.excludes(path + "/below")


def change(data: bytes, chance: random.Random) -> bytes:
    """Lines of one file become others, or change their order."""
    lines = data.split(b"\n")
    for _ in range(chance.choice((1, 1, 2, 4))):
        at = chance.randrange(len(lines) + 1)
        act = chance.random()
        if act < 0.6:
            lines.insert(at, chance.choice(_LINES))
        elif act < 0.8:
            lines[at : at + 1] = []
        else:
            lines.insert(at, chance.choice(lines) if lines else b"")
    return b"\n".join(lines)
