"""What every version 2 group can do without any controller: freeze, kill, hand controllers down."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from engine.cgroups import files
from engine.errors import EngineError, Unsupported


def freeze(directory: Path) -> None:
    """Stop all processes; they still die of SIGKILL."""
    files.write(directory / "cgroup.freeze", 1)


def thaw(directory: Path) -> None:
    files.write(directory / "cgroup.freeze", 0)


def is_frozen(directory: Path) -> bool:
    return files.flat_value(directory / "cgroup.events", "frozen") == 1


def kill(directory: Path) -> bool:
    """Kill all processes, forks in flight included; False before Linux 5.14."""
    path = directory / "cgroup.kill"
    if not path.exists():
        return False
    files.write(path, 1)
    return True


def delegate(directory: Path, wanted: Iterable[str], needed: Iterable[str]) -> None:
    """Let the groups below `directory` use the controllers in `wanted`; Unsupported if one of `needed` is missing."""
    available = (files.read(directory / "cgroup.controllers") or "").split()
    missing = [name for name in needed if name not in available]
    if missing:
        raise Unsupported(f"the kernel offers no {', '.join(missing)} controller in {directory}")
    enabled = (files.read(directory / "cgroup.subtree_control") or "").split()
    for name in wanted:
        if name in available and name not in enabled:
            try:
                files.write(directory / "cgroup.subtree_control", f"+{name}")
            except EngineError:
                if name in needed:
                    raise
