"""docs/security-tests.md names only tests that are there, and something for every kind of attack."""

from __future__ import annotations

import re

from tests.architecture.sources import ROOT

TEXT = (ROOT / "docs/security-tests.md").read_text()
ROWS = [line.split(" | ") for line in TEXT.splitlines() if line.startswith("| ") and "---" not in line]
KINDS = (
    "CSRF",
    "XSS",
    "Leading elsewhere",
    "SSRF",
    "Fields and ids",
    "Sessions, sockets, secrets",
    "uploaded",
    "Regular",
)


def test_each_test_that_it_names_is_there() -> None:
    missing = []
    for path, name in re.findall(r"`([\w/.]+)::(\w+)`", TEXT):
        file = ROOT / path
        text = file.read_text() if file.exists() else ""
        if re.search(rf"^ *(?:async )?def {name}\(", text, re.MULTILINE) is None:
            missing.append(f"{path}::{name}")
    assert missing == []


def test_each_attack_has_one() -> None:
    attacks = [row for row in ROWS if row[0] != "| attack"]
    assert len(attacks) > 20
    assert [row[0] for row in attacks if len(row) != 3 or "::test_" not in row[2]] == []
    parts = re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:]
    for kind in KINDS:
        assert sum(kind in part.splitlines()[0] and "::test_" in part for part in parts) == 1, kind
