"""docs/conformance.md names for the distribution specification only tests that exist, and every endpoint."""

from __future__ import annotations

import re
from pathlib import Path

PROJECT = Path(__file__).parents[3]
_, TITLE, SECTION = (PROJECT / "docs/conformance.md").read_text().partition("# Conformance: OCI distribution")
ROWS = [line.split(" | ") for line in SECTION.splitlines() if line.startswith("| ") and line.count(" | ") == 2]


def test_every_endpoint_has_a_row() -> None:
    named = set(re.findall(r"end-\d+[ab]?", SECTION))
    numbers = {re.sub(r"[ab]$", "", name) for name in named}
    assert {f"end-{number}" for number in range(1, 14)} <= numbers


def test_every_test_that_it_names_exists() -> None:
    known = {
        name
        for package in ("build", "images", "registry", "oci")
        for path in (PROJECT / "tests/engine" / package).glob("test_*.py")
        for name in re.findall(r"^def test_(\w+)", path.read_text(), re.MULTILINE)
    }
    named = {name for row in ROWS for name in re.findall(r"`(\w+)`", row[2])}
    assert named - known == set()
    assert len(named) > 40
