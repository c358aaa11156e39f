"""The number of processes and threads by version 1."""

from __future__ import annotations

from pathlib import Path

from engine.cgroups import files


def limit(directory: Path, pids_limit: int | str) -> None:
    """A number, or "max" for no limit."""
    files.write(directory / "pids.max", pids_limit)
