"""Beside BuildKit's own parser, where PyPI's `dockerfile`, which carries it, is installed: we don't depend on it."""

from pathlib import Path

import pytest

from engine.build.language import DockerfileError, model, parse

peer = pytest.importorskip("dockerfile", reason="PyPI's dockerfile, BuildKit's parser for Python, is not installed")
HERE = Path(__file__).parent
CORPUS = sorted((HERE / "corpus").glob("*.dockerfile"))


def ours(data: bytes) -> list[tuple[object, ...]]:
    found = parse(data)
    parsed: list[model.Instruction] = [*found.arguments]
    for stage in found.stages:
        parsed += (stage.start, *stage.instructions)
    rows: list[tuple[object, ...]] = []
    for one in parsed:
        documents = getattr(one, "files", None) or getattr(one, "documents", None) or ()
        texts = [] if isinstance(one, model.Onbuild) else [(each.name, each.text) for each in documents]
        rows.append((one.keyword, one.location.line, one.location.end_line, texts))
    return rows


def theirs(text: str) -> list[tuple[object, ...]]:
    return [
        (
            one.cmd,
            one.start_line,
            one.end_line,
            [] if one.cmd.upper() == "ONBUILD" else [(each.name, each.content) for each in one.heredocs],
        )
        for one in peer.parse_string(text)
    ]


@pytest.mark.parametrize("path", CORPUS, ids=lambda path: path.stem)
def test_both_read_the_same(path: Path) -> None:
    text = path.read_bytes().decode()
    assert [(str(row[0]).upper(), *row[1:]) for row in ours(path.read_bytes())] == [
        (str(row[0]).upper(), *row[1:]) for row in theirs(text)
    ]


def test_what_it_refuses_is_refused() -> None:
    sections = (HERE / "data/errors.txt").read_text().split("\n=== ")[1:]
    refused = 0
    for section in sections:
        text = section.partition("\n")[2].partition("---\n")[0].removesuffix("\n")
        try:
            peer.parse_string(text)
        except peer.GoParseError:
            refused += 1
            with pytest.raises(DockerfileError):
                parse(text.encode())
    assert refused > 10
