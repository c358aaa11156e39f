"""Dockerfiles of all kinds with what is read in them, and wrong ones with what is said of them.

BuildKit's own parser (of 2026) reads each of `corpus/` in the same way, and refuses each of `data/errors.txt`. After a
change that is meant: PORTSIDE_WRITE_GOLDEN=1 python -m pytest tests/engine/build/language, and look at the difference.
"""

import json
import os
from pathlib import Path

import pytest

from engine.build.language import DockerfileError, Known, lint, parse
from engine.build.language.expanding import expanded
from engine.build.language.parsing import onbuild
from tests.engine.build.language.dump import as_data

HERE = Path(__file__).parent
CORPUS = sorted((HERE / "corpus").glob("*.dockerfile"))
ERRORS = HERE / "data/errors.txt"
IS_WRITING = "PORTSIDE_WRITE_GOLDEN" in os.environ


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_what_is_read(path: Path) -> None:
    found = as_data(parse(path.read_bytes()))
    golden = path.with_suffix(".json")
    if IS_WRITING:
        golden.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    assert found == json.loads(golden.read_text())


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_its_triggers_are_instructions_and_all_can_be_expanded_and_linted(path: Path) -> None:
    dockerfile = parse(path.read_bytes())
    for stage in dockerfile.stages:
        for one in stage.instructions:
            expanded(one, {}, escape=dockerfile.directives.escape)
            if one.word == "ONBUILD":
                made = onbuild(one.trigger, location=one.location)  # type: ignore[attr-defined]
                assert made.location == one.location and made.original.startswith(made.keyword)
    assert lint(dockerfile, Known()).error is None


def _errors() -> list[tuple[str, str, str]]:
    """(name, Dockerfile, message): sections of `=== name`, the text, `---`, the message. \\r and \\x.. are escapes."""
    found = []
    for section in ERRORS.read_text().split("\n=== ")[1:]:
        name, _, rest = section.partition("\n")
        text, _, message = rest.partition("---\n")
        found.append((name, text, message.rstrip("\n")))
    return found


@pytest.mark.parametrize(("text", "message"), [row[1:] for row in _errors()], ids=[row[0] for row in _errors()])
def test_what_is_said_of_a_wrong_one(text: str, message: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parse(text.removesuffix("\n").encode())
    if not IS_WRITING:
        assert caught.value.message == message


if IS_WRITING:

    def test_write_the_messages() -> None:
        head = ERRORS.read_text().split("\n=== ", maxsplit=1)[0]
        sections = [head]
        for name, text, _ in _errors():
            with pytest.raises(DockerfileError) as caught:
                parse(text.removesuffix("\n").encode())
            sections.append(f"{name}\n{text}---\n{caught.value.message}\n")
        ERRORS.write_text("\n=== ".join(sections))
