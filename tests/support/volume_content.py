"""What the volumes of `volume_lives` have in them, and how to see that nothing of it is missing."""

from __future__ import annotations

import hashlib
from pathlib import Path

NAMES = ("first", "second")
"""What the volume is called by turns."""
SNAPSHOT = "before"
FILES = 60


def write(root: Path) -> None:
    """Files that tell themselves what has to be in them."""
    for number in range(FILES):
        place = root / f"d{number % 5}" / f"f{number}"
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(content(number))


def content(number: int) -> bytes:
    return hashlib.sha256(str(number).encode()).digest() * (50 + 40 * number)


def check(root: Path) -> None:
    """All of it is there, and nothing else."""
    found = {path.name: path for path in root.rglob("*") if path.is_file()}
    assert sorted(found) == sorted(f"f{number}" for number in range(FILES)), root
    for number in range(FILES):
        assert found[f"f{number}"].read_bytes() == content(number), found[f"f{number}"]
