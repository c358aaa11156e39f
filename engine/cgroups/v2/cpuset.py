"""Processors and memory nodes by version 2: what is not given is the parent's."""

from __future__ import annotations

from pathlib import Path

from engine.cgroups import files


def limit(directory: Path, cpus: str | None, memory_nodes: str | None) -> None:
    """Lists such as 0-3,6."""
    for name, value in (("cpuset.cpus", cpus), ("cpuset.mems", memory_nodes)):
        if value is not None:
            files.write(directory / name, value)


def as_parent(directory: Path, name: str) -> None:
    """Let the file `name` have what the parent has, which an empty one does."""
    files.write(directory / name, "\n")
