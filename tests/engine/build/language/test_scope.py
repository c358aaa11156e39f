"""Which variables an instruction sees."""

import pytest

from engine.build.language import DockerfileError, model, parse
from engine.build.language.commands import Invocation, argv, invocation
from engine.build.language.model import Command, HereDocument
from engine.build.language.scope import Scope, global_arguments, platform_arguments, proxies
from engine.oci.platform import Platform

PLATFORM = platform_arguments(Platform.parse("linux/amd64"), Platform.parse("linux/arm/v7"), "web")


def scope_after(text: str, *, build_args: dict[str, str] | None = None, image: dict[str, str] | None = None) -> Scope:
    dockerfile = parse(text.encode())
    given = build_args or {}
    scope = Scope.of_image(
        image or {},
        global_arguments=global_arguments(dockerfile, given, PLATFORM),
        build_args=given,
        escape=dockerfile.directives.escape,
    )
    for instruction in dockerfile.stages[0].instructions:
        scope.read(instruction)
    return scope


def test_the_arguments_of_a_platform() -> None:
    assert PLATFORM == {
        "BUILDPLATFORM": "linux/amd64", "BUILDOS": "linux", "BUILDOSVERSION": "", "BUILDARCH": "amd64",
        "BUILDVARIANT": "", "TARGETPLATFORM": "linux/arm/v7", "TARGETOS": "linux", "TARGETOSVERSION": "",
        "TARGETARCH": "arm", "TARGETVARIANT": "v7", "TARGETSTAGE": "web",
    }  # fmt: skip
    assert platform_arguments(Platform("linux", "amd64"), Platform("linux", "amd64"))["TARGETSTAGE"] == "default"


def test_global_arguments_see_those_before_them_and_the_platform() -> None:
    dockerfile = parse(b"ARG A=1 B=$A-$C\nARG C=$B D\nARG E=$TARGETARCH\nFROM a\n")
    missing: set[str] = set()
    found = global_arguments(dockerfile, {"C": "given", "X": "undeclared"}, PLATFORM, missing=missing)
    assert {name: found.get(name) for name in "ABCDEX"} == {
        "A": "1", "B": "1-", "C": "given", "D": None, "E": "arm", "X": None
    }  # fmt: skip
    assert missing == {"C"}
    assert global_arguments(dockerfile, {"TARGETARCH": "mine"}, PLATFORM)["E"] == "mine"


@pytest.mark.parametrize(
    ("text", "build_args", "variables"),
    [
        ("ARG G=1\nFROM a\n", {}, {}),
        ("ARG G=1\nFROM a\nARG G\n", {}, {"G": "1"}),
        ("ARG G=1\nFROM a\nARG G=2\n", {}, {"G": "2"}),
        ("ARG G=1\nFROM a\nARG G=2\n", {"G": "3"}, {"G": "3"}),
        ("FROM a\nARG TARGETARCH\n", {}, {"TARGETARCH": "arm"}),
        ("FROM a\nARG N\n", {}, {}),
        ("FROM a\nARG a=1 b=$a c=${b}2\n", {"a": "x"}, {"a": "x", "b": "x", "c": "x2"}),
        ("FROM a\nENV v=1 w=$v\nENV w=$v\n", {}, {"v": "1", "w": "1"}),
        ("FROM a\nARG v=1\nENV v=2\n", {}, {"v": "2"}),
        ("FROM a\nENV v=2\nARG v=1\n", {}, {"v": "1"}),
        ("FROM a\nARG BUILDKIT_SBOM_SCAN_STAGE=true\n", {}, {}),
        ('FROM a\nENV "q"=\'$x\' s="a b"\n', {}, {"q": "$x", "s": "a b"}),
        ("# escape=`\nFROM a\nENV v=`$x w=\\$v\n", {}, {"v": "$x", "w": "\\"}),
    ],
)
def test_variables_of_a_stage(text: str, build_args: dict[str, str], variables: dict[str, str]) -> None:
    assert scope_after(text, build_args=build_args).variables == variables


def test_the_image_keeps_its_own_and_what_env_sets() -> None:
    scope = scope_after("FROM a\nARG x=1\nENV y=$x$PATH\n", image={"PATH": "/bin"})
    assert scope.environment == {"PATH": "/bin", "y": "1/bin"}
    assert scope.variables == {"PATH": "/bin", "y": "1/bin", "x": "1"}
    assert scope.arguments == {"x": "1"}
    other = scope.copy()
    other.variables["z"] = other.environment["z"] = "2"
    assert "z" not in scope.variables and "z" not in scope.environment


def test_who_is_missing() -> None:
    dockerfile = parse(b"FROM a\nARG known\nWORKDIR /$known/$unknown\nARG v=$other\n")
    scope = Scope(global_arguments={}, build_args={})
    missing: set[str] = set()
    for instruction in dockerfile.stages[0].instructions:
        scope.read(instruction, missing=missing)
    assert missing == {"unknown", "other"}


def test_a_default_that_can_not_be_read_is_shown() -> None:
    with pytest.raises(DockerfileError) as caught:
        scope_after('FROM a\nRUN x\nARG v="${w:?give w}"\n')
    assert caught.value.message.startswith("Dockerfile:3:1: w: give w\n")


def test_proxies_come_in_both_cases() -> None:
    given = {"http_proxy": "http://p", "NO_PROXY": "a,b", "other": "x"}
    assert proxies(given) == {"http_proxy": "http://p", "HTTP_PROXY": "http://p", "no_proxy": "a,b", "NO_PROXY": "a,b"}


def test_how_commands_are_started() -> None:
    assert argv(Command(("a b",), True)) == ("/bin/sh", "-c", "a b")
    assert argv(Command((), True), ("/bin/bash", "-ec")) == ("/bin/bash", "-ec", "")
    assert argv(Command(("a", "b"), False), ("/bin/bash",)) == ("a", "b")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("RUN a $b", Invocation(("/bin/sh", "-c", "a $b"))),
        ('RUN ["a", "b"]', Invocation(("a", "b"))),
        ("RUN <<E\none\ntwo\nE\n", Invocation(("/bin/sh", "-c", "one\ntwo\n"))),
        ("RUN <<-E\n\tone\n\t E\n\tE\n", Invocation(("/bin/sh", "-c", "one\n E\n"))),
        ("RUN cat <<E >f\none\nE\n", Invocation(("/bin/sh", "-c", "cat <<E >f\none\nE"))),
        ("RUN <<A cat; <<'B'\n1\nA\n2\nB\n", Invocation(("/bin/sh", "-c", "<<A cat; <<'B'\n1\nA\n2\nB"))),
        (
            "RUN <<E\n#!/usr/bin/env python3\nprint()\nE\n",
            Invocation(
                ("/bin/sh", "-c", "/dev/pipes/E"),
                HereDocument("E", "#!/usr/bin/env python3\nprint()\n", True, False),
                "/dev/pipes/E",
            ),
        ),
    ],
)
def test_how_run_is_done(text: str, wanted: Invocation) -> None:
    (run,) = parse(f"FROM a\n{text}".encode()).stages[0].instructions
    assert isinstance(run, model.Run)
    assert invocation(run) == wanted
