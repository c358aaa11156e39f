"""No regular expression of ours explodes: each is tried with the texts on which it would, in Python and for browsers.

Those that somebody writes himself (searching a log) run in a process that is ended in time: `tests/engine/logs`. Those
that `docker ps --filter` takes are read by code of ours: `tests/webui/dockerapi/test_patterns.py`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

from tests.architecture.pumping import TooLong, seconds, texts
from tests.architecture.sources import ROOT, tracked_files

LIMIT = 0.1
LONG, FATAL = 10_000, 28
"""Repetitions that make twice the work for twice the text tell from four times, and from twice for a letter more."""
LOOKING = frozenset({"search", "sub", "subn", "split", "findall", "finditer"})
"""What tries an expression anew at every place of a text."""
BOUNDED = {
    r"client/cli/templates.py: \{\{(-?)(.*?)(-?)\}\}": 1000,  # what somebody types for himself
    "engine/oci/durations.py: [-+]?(?:(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:n": 40,
    "engine/oci/durations.py: ([0-9.]+)(ns|us|µs|μs|ms|s|m|h)": 40,
    'engine/registry/listing.py: <([^<>]*)>\\s*;[^,]*\\brel\\s*=\\s*\\"?next\\b': 4096,
    r"static/js/files/browser.js: \/+$": 4096,  # the longest path that there is
    "webui/dockerapi/until.py: ([0-9]+(?:\\.[0-9]+)?)(ns|us|µs|ms|s|m|h)": 60,
}
"""Those that meet no longer texts than this, which is seen to where they are used: by file and beginning."""
SCRIPT = re.compile(
    r"(?:=|\(|,|return|:) ?/((?:[^/\\\n\[ ]|\\.|\[(?:[^\]\\]|\\.)*\])(?:[^/\\\n\[]|\\.|\[(?:[^\]\\]|\\.)*\])*)/([a-z]*)"
)


@dataclass(frozen=True)
class Expression:
    where: str
    pattern: str
    flags: int
    is_looking: bool

    def slowest(self) -> tuple[float, str]:
        """Seconds, and the text. One that is broken off counts with its limit."""
        compiled = re.compile(self.pattern, self.flags)
        tried = compiled.search if self.is_looking else compiled.fullmatch
        longest = BOUNDED.get(self.where, LONG)
        worst = (0.0, "")
        for count in (FATAL, longest):
            for text in texts(self.pattern, self.flags, count, is_looking=self.is_looking):
                cut = text if len(text) <= longest + 100 else text[:longest] + text[-1:]
                try:
                    took = seconds(lambda cut=cut: tried(cut), LIMIT)
                except TooLong:
                    return LIMIT, cut
                worst = max(worst, (took, cut))
        return worst


def in_python(path: Path) -> Iterator[Expression]:
    """Those that stand in a file as they are, and how they are used there."""
    text = path.read_text()
    if "import re\n" not in text:
        return
    tree = ast.parse(text)
    names: dict[int, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names[id(node.value)] = node.targets[0].id
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
            continue
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "re" and node.func.attr != "escape"):
            continue
        first = node.args[0]
        if not (isinstance(first, ast.Constant) and isinstance(first.value, str | bytes)):
            continue
        pattern = first.value.decode("latin-1") if isinstance(first.value, bytes) else first.value
        flags = 0
        for flag in ("IGNORECASE", "DOTALL", "MULTILINE", "ASCII", "VERBOSE"):
            if re.search(rf"\bre\.{flag}\b", ast.unparse(node)):
                flags |= getattr(re, flag)
        used = names.get(id(node))
        looking = node.func.attr in LOOKING
        if used is not None:
            looking = re.search(rf"\b{used}\.({'|'.join(LOOKING)})\b", text) is not None
        yield Expression(f"{path.relative_to(ROOT)}: {pattern[:40]}", pattern, flags, looking)


def in_scripts(path: Path) -> Iterator[Expression]:
    """Those of a script, in Python's words; what these don't have is left out."""
    for pattern, letters in SCRIPT.findall(path.read_text()):
        ours = pattern.replace("(?<", "(?P<").replace("(?P<=", "(?<=").replace("(?P<!", "(?<!").replace(r"\/", "/")
        ours = ours.replace("[^]", r"[\s\S]")
        flags = (re.IGNORECASE if "i" in letters else 0) | (re.DOTALL if "s" in letters else 0)
        if "\\p{" not in ours:
            yield Expression(f"{path.relative_to(ROOT)}: {pattern[:40]}", ours, flags, "y" not in letters)


@cache
def expressions() -> list[Expression]:
    found: list[Expression] = []
    for path in tracked_files():
        place = path.relative_to(ROOT).parts
        if path.suffix == ".py" and place[0] in ("engine", "worker", "webui", "client"):
            found += in_python(path)
        elif path.suffix == ".js" and place[:2] == ("static", "js"):
            found += in_scripts(path)
    return list(dict.fromkeys(found))


@pytest.mark.filterwarnings("ignore:Possible nested set:FutureWarning")  # of scripts, which know no such thing
def test_no_expression_of_ours_explodes() -> None:
    slow = {}
    for expression in expressions():
        took, text = expression.slowest()
        if took == LIMIT:
            slow[expression.where] = (round(took, 2), text[:40], len(text))
    assert slow == {}


def test_expressions_are_found() -> None:
    found = expressions()
    assert {*BOUNDED} <= {one.where for one in found}
    assert len([one for one in found if ".py:" in one.where]) > 100
    assert len([one for one in found if ".js:" in one.where]) > 20


@pytest.mark.parametrize(
    ("pattern", "is_looking"),
    [
        (r"(a+)+$", False),
        (r"(\w+|\d+)*!", False),
        (r"(?:a|a)*b", False),
        (r"x*x*$", False),
        (r"<[^>]*>\s*;[^,]*\bnext", True),
    ],
)
def test_what_explodes_is_told(pattern: str, is_looking: bool) -> None:
    assert Expression("here", pattern, 0, is_looking).slowest()[0] == LIMIT
