"""Processors and memory nodes by version 1: a new group has none, and nobody may enter it until it has."""

from __future__ import annotations

from pathlib import Path

from engine.cgroups import files


def inherit(directory: Path) -> None:
    """Take over the parent's processors and memory nodes."""
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not files.read(directory / name):
            files.write(directory / name, files.read(directory.parent / name) or "0")
