"""What is likely wrong is told with what was built, or keeps it from being built."""

import pytest

from engine.build import checks
from engine.build.language import BaseImage, DockerfileError, parse
from engine.oci.platform import Platform

AMD64 = Platform("linux", "amd64")


def warned(text: str, stages: tuple[int, ...] = (0,)) -> list[tuple[str, int]]:
    found = checks.warnings(parse(text.encode()), {}, platform=AMD64, host=AMD64, stages=stages)
    return [(one.rule, one.line) for one in found]


def test_warnings_of_the_stages_that_are_built() -> None:
    text = "FROM a\nENV x 1\nFROM b\nENV y 1\n"
    assert warned(text) == [("LegacyKeyValueFormat", 2)]
    assert warned(text, (0, 1)) == [("LegacyKeyValueFormat", 2), ("LegacyKeyValueFormat", 4)]


def test_warnings_that_are_errors() -> None:
    with pytest.raises(DockerfileError, match="LegacyKeyValueFormat") as caught:
        warned("# check=error=true\nFROM a\nENV x 1\n")
    assert caught.value.detail["line"] == 3
    assert warned("# check=skip=LegacyKeyValueFormat;error=true\nFROM a\nENV x 1\n") == []


def test_what_base_images_say_is_known() -> None:
    """An image with a shell of its own needs no exec form, and its variables are no slips."""
    text = "FROM base\nENV A=$JAVA_HOM\nCMD echo x\n"
    known = {"base": BaseImage(environment={"JAVA_HOME": "/x", "JAVA_HOM": "y"}, shell=("/bin/bash", "-c"))}
    assert warned(text) == [("JSONArgsRecommended", 3)]
    found = checks.warnings(parse(text.encode()), {}, platform=AMD64, host=AMD64, stages=(0,), bases=known)
    assert found == ()
