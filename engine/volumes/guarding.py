"""Which directories of the host are never shown to a container: Portside's own, and the kernel's."""

from __future__ import annotations

import os
from pathlib import Path

from engine.errors import PermissionDenied

_KERNELS = ("/proc", "/sys", "/dev")


def refuse_own(home: Path, path: str, field: str, *, privileged: bool = False) -> str:
    """The path without links. Raises PermissionDenied for what holds, or lies in, Portside's home, /proc, /sys or /dev.

    A container with these is the host's root by another name: only a privileged one may have the kernel's.
    """
    real = os.path.realpath(path)
    if _touches(real, os.path.realpath(home)):
        raise PermissionDenied(
            f"{field}: {path} holds Portside's own files, or lies among them: name another directory of the host",
            {"field": field},
        )
    if not privileged and any(_touches(real, own) for own in _KERNELS):
        raise PermissionDenied(
            f"{field}: {path} has files of the kernel, which only a privileged container may have; devices has devices",
            {"field": field},
        )
    return real


def _touches(path: str, own: str) -> bool:
    """Whether one lies in the other, or they are the same."""
    return path in ("/", own) or path.startswith(f"{own}/") or own.startswith(f"{path}/")
