"""Each rule where it is broken, and where it only looks like it."""

import pytest

from engine.build.language import BaseImage, IgnoreRules, Known, lint, parse, violation
from engine.build.language.rules import RULES
from engine.oci.platform import Platform

KNOWN = Known(bases={"a": BaseImage(environment={"JAVA_HOME": "/java"})})


def found(text: str, known: Known = KNOWN) -> list[str]:
    """`Rule line:column-end` of each warning; the end is a column, or line:column."""
    findings = lint(parse(text.encode()), known)
    assert findings.error is None, findings.error
    shown = []
    for one in findings.warnings:
        place = one.location
        end = f"{place.end_column}" if place.end_line == place.line else f"{place.end_line}:{place.end_column}"
        shown.append(f"{one.rule} {place.line}:{place.column}-{end}")
        assert one.message and one.description == RULES[one.rule].description
    return shown


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("FROM a AS Build\n", ["StageNameCasing 1:11-16"]),
        ("FROM a AS build\nFROM build AS b-2\n", []),
        ("FROM a as build\n", ["FromAsCasing 1:8-10"]),
        ("from a AS build\n", ["FromAsCasing 1:8-10"]),
        ("from a as build\n", []),
        ("FROM a As build\n", ["FromAsCasing 1:8-10"]),
        ("FROM a\nRUN x \\\n\n  y\n", ["NoEmptyContinuation 3:1-1"]),
        ("FROM a\nRUN x \\\n# c\n  y\n", []),
        ("FROM a\nrun x\nRUN y\n", ["ConsistentInstructionCasing 2:1-4"]),
        ("from a\nrun x\n  RUN y\n", ["ConsistentInstructionCasing 3:3-6"]),
        ("FROM a\nRun x\n", ["ConsistentInstructionCasing 2:1-4"]),
        ("FROM a\nuser x\n", ["ConsistentInstructionCasing 2:1-5"]),
        ("FROM a AS x\nFROM a AS x\n", ["DuplicateStageName 2:11-12"]),
        ("FROM a AS scratch\n", ["ReservedStageName 1:11-18"]),
        ("FROM a AS context\n", ["ReservedStageName 1:11-18"]),
        ("FROM a\nCMD x y\n", ["JSONArgsRecommended 2:1-8"]),
        ("FROM a\nENTRYPOINT x\n", ["JSONArgsRecommended 2:1-13"]),
        ('FROM a\nCMD ["x", "y"]\nRUN x\nHEALTHCHECK CMD x\n', []),
        ('FROM a\nSHELL ["/bin/bash", "-c"]\nCMD x y\n', []),
        ("FROM a\nMAINTAINER me\n", ["MaintainerDeprecated 2:1-11"]),
        ("FROM x$base\n", ["UndefinedArgInFrom 1:7-12"]),
        ("ARG base\nFROM ${base:-a}\n", []),
        ("ARG base\nFROM a${base}\n", []),
        ("FROM a$TARGETARHC\n", ["UndefinedArgInFrom 1:7-18"]),
        ("FROM a\nWORKDIR x\nWORKDIR y\n", ["WorkdirRelativePath 2:1-10"]),
        ("FROM a\nWORKDIR /x\nWORKDIR y\n", []),
        ("FROM a AS b\nWORKDIR /x\nFROM b\nWORKDIR y\n", []),
        ("FROM a\nCOPY $x y$z /\n", ["UndefinedVar 2:6-8", "UndefinedVar 2:10-12"]),
        ("FROM a\nENV p=$PAHT ${JAVA_HOME}=1\n", ["UndefinedVar 2:7-12"]),
        ("FROM a\nARG x\nENV v=$x\nRUN $nobody $knows\n", []),
        ("FROM a\nLABEL x=1 \\\n  y=${q:-1}\n", ["UndefinedVar 3:5-12"]),
        ("FROM a AS b\nARG x=1\nFROM b\nUSER $x\nFROM a\nUSER $x\n", ["UndefinedVar 6:6-8"]),
        ("FROM a\nCMD []\nCMD []\nENTRYPOINT []\n", ["MultipleInstructionsDisallowed 2:1-4"]),
        ("FROM a\nHEALTHCHECK NONE\nHEALTHCHECK CMD x\n", ["MultipleInstructionsDisallowed 2:1-12"]),
        ("FROM a AS b\nCMD []\nFROM b\nCMD []\n", []),
        ("FROM a\nENV x 1\n", ["LegacyKeyValueFormat 2:1-8"]),
        ("FROM a\nLABEL x 1 2\n", ["LegacyKeyValueFormat 2:1-12"]),
        ("FROM --platform=$TARGETPLATFORM a\n", ["RedundantTargetPlatform 1:6-16"]),
        ("FROM --platform=${TARGETPLATFORM:-x} a\n", ["RedundantTargetPlatform 1:6-16"]),
        ("FROM --platform=$BUILDPLATFORM a\n", []),
        ("FROM --platform=linux/amd64 a\n", ["FromPlatformFlagConstDisallowed 1:6-16"]),
        ("FROM --platform=linux/amd64 a AS build-amd64\n", []),
        ("FROM a\nARG API_KEY token=1\nENV DB_PASSWORD=1\n",
         ["SecretsUsedInArgOrEnv 2:5-12", "SecretsUsedInArgOrEnv 2:13-18", "SecretsUsedInArgOrEnv 3:5-16"]),
        ("ARG API_KEY\nFROM a\nENV PUBLIC_KEY=1 TOKEN_FILE=1 KEYS=1 MONKEY=1\n", []),
        ("ARG tag=\nFROM a:$tag\n", ["InvalidDefaultArgInFrom 2:6-12"]),
        ("FROM a\nEXPOSE 80/TCP 81\n", ["ExposeProtoCasing 2:8-14"]),
        ("FROM a\nEXPOSE 127.0.0.1:80:80 8080:80 80\n", ["ExposeInvalidFormat 2:8-23", "ExposeInvalidFormat 2:24-31"]),
        ("# check=experimental=all\n# what it is\nARG v=1\n# a x\nFROM a AS x\n",
         ["InvalidDefinitionDescription 3:1-8", "InvalidDefinitionDescription 5:1-12"]),
        ("# check=experimental=InvalidDefinitionDescription\n# v is it\nARG v=1\n# other\n#\nFROM a AS x\n", []),
        ("# what it is\nARG v=1\nFROM a\n", []),
    ],
)  # fmt: skip
def test_a_rule(text: str, warnings: list[str]) -> None:
    assert found(text, Known(bases=KNOWN.bases, build_args={"tag": "1", "base": "a"})) == warnings


@pytest.mark.parametrize(
    ("head", "warnings"),
    [
        ("", ["JSONArgsRecommended", "MaintainerDeprecated", "WorkdirRelativePath"]),
        ("# check=skip=JSONArgsRecommended,WorkdirRelativePath\n", ["MaintainerDeprecated"]),
        ("# check=skip=all\n", []),
        ("# syntax=docker/dockerfile:1\n# CHECK = skip=MaintainerDeprecated;error=true\n",
         ["JSONArgsRecommended", "WorkdirRelativePath"]),
        ("\n# check=skip=all\n", ["JSONArgsRecommended", "MaintainerDeprecated", "WorkdirRelativePath"]),
    ],
)  # fmt: skip
def test_what_the_directive_check_leaves_out(head: str, warnings: list[str]) -> None:
    dockerfile = parse(f"{head}FROM a\nCMD x\nMAINTAINER me\nWORKDIR x\n".encode())
    findings = lint(dockerfile, KNOWN)
    assert [one.rule for one in findings.warnings] == warnings
    error = violation(dockerfile, findings)
    assert (error is not None) == ("error=true" in head)
    if error is not None:
        assert error.message.splitlines()[0].startswith("Dockerfile:4:1: JSONArgsRecommended: ")
        assert "(and 1 more: JSONArgsRecommended, WorkdirRelativePath)" in error.problem


def test_a_comment_above_an_instruction_speaks_for_it_alone() -> None:
    assert found("FROM a\n# check=skip=LegacyKeyValueFormat\nENV a b\nENV c d\n") == ["LegacyKeyValueFormat 4:1-8"]
    assert found("# check=skip=all\n\nFROM a AS Scratch\nENV a b\n") == []
    assert found("FROM a\n# check=skip=all\nFROM a AS Scratch\n") == ["ReservedStageName 3:11-18"]


def test_what_the_context_leaves_out() -> None:
    known = Known(bases=KNOWN.bases, ignore=IgnoreRules.parse("*.md\nsecret\n"))
    text = "FROM a\nCOPY a b.md ./secret/x /\nADD secret http://h/x.md /\nCOPY --from=x y.md /\nCOPY . /\n"
    assert found(text, known) == ["CopyIgnoredFile 2:8-12", "CopyIgnoredFile 2:13-23", "CopyIgnoredFile 3:5-11"]
    assert found(text, Known(bases=KNOWN.bases, ignore=IgnoreRules.parse("*.md\n!b.md\n"))) == []
    assert found("FROM a\nCOPY . /\n", Known(ignore=IgnoreRules.parse("*"))) == ["CopyIgnoredFile 2:6-7"]


def test_a_base_image_for_another_machine() -> None:
    bases = {"a": BaseImage(platform=Platform("linux", "arm64"))}
    assert found("FROM a\n", Known(bases=bases)) == ["InvalidBaseImagePlatform 1:1-7"]
    assert found("FROM a\n", Known(bases=bases, target_platform=Platform("linux", "arm64"))) == []
    assert found("FROM --platform=linux/arm64 a AS arm64\nFROM arm64\n", Known(bases=bases)) == []


def test_of_an_unknown_base_image_only_slips_are_told() -> None:
    text = "FROM b\nENV VERSION=1\nWORKDIR /$NODE_HOME/$VERSOIN\n"
    assert found(text) == ["UndefinedVar 3:21-29"]
    (warning,) = lint(parse(text.encode())).warnings
    assert warning.message == "$VERSOIN has no value here (did you mean $VERSION?)"


def test_triggers_are_looked_at_where_they_are_used() -> None:
    known = Known(bases={"a": BaseImage(triggers=("ENV x $y", "CMD z"), shell=())})
    assert found("FROM a\nRUN x\n", known) == [
        "JSONArgsRecommended 1:1-7", "LegacyKeyValueFormat 1:1-7", "UndefinedVar 1:1-7"
    ]  # fmt: skip
    assert found("FROM scratch AS x\nONBUILD WORKDIR y\nFROM x\n") == ["WorkdirRelativePath 3:1-7"]


def test_an_error_that_the_build_would_meet() -> None:
    findings = lint(parse(b"FROM a\nENV x 1\nWORKDIR ${y:?set y}\nENV z 1\n"), KNOWN)
    assert [one.rule for one in findings.warnings] == ["LegacyKeyValueFormat"]
    assert findings.error is not None and findings.error.message.startswith("Dockerfile:3:1: y: set y\n")


def test_stages_that_are_not_built_are_not_followed() -> None:
    text = "FROM a AS x\nENV x 1\nFROM a\nENV y 1\n"
    assert [one.location.line for one in lint(parse(text.encode()), KNOWN, stages=[1]).warnings] == [4]
