"""Processors and memory nodes by version 1: a new group has none, and nobody may enter it until it has."""

from __future__ import annotations

from pathlib import Path

from engine.cgroups import files


def inherit(directory: Path) -> None:
    """Take over the parent's processors and memory nodes, which it takes over from those above."""
    if files.read(directory / "cpuset.cpus") == "" and files.read(directory.parent / "cpuset.cpus") is not None:
        inherit(directory.parent)
    for name in ("cpuset.cpus", "cpuset.mems"):
        if not files.read(directory / name):
            files.write(directory / name, files.read(directory.parent / name) or "0")


def as_parent(directory: Path, name: str) -> None:
    """Let the file `name` have what the parent has."""
    files.write(directory / name, files.read(directory.parent / name) or "0")


def limit(directory: Path, cpus: str | None, memory_nodes: str | None) -> None:
    """Lists such as 0-3,6; what is not given is the parent's."""
    inherit(directory.parent)  # made by ourselves, as empty as any new one
    inherit(directory)
    for name, value in (("cpuset.cpus", cpus), ("cpuset.mems", memory_nodes)):
        if value is not None:
            files.write(directory / name, value)
