"""Documents name files that are there."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, tracked_files

NAMED = re.compile(r"`((?:engine|worker|webui|tests|bench|docs|static|templates)/[\w./-]*)`")
LINKED = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


def documents() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == ".md"]


def names(document: Path) -> Iterator[tuple[str, Path]]:
    text = document.read_text()
    yield from ((name, ROOT / name) for name in NAMED.findall(text))
    yield from ((name, document.parent / name) for name in LINKED.findall(text))


@pytest.mark.parametrize("document", documents(), ids=lambda path: str(path.relative_to(ROOT)))
def test_what_a_document_names_is_there(document: Path) -> None:
    assert [name for name, path in names(document) if not path.exists()] == []
