"""Which directories of the host are never shown to a container: Portside's own, and the kernel's."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from engine.errors import FAMILIES, Conflict, EngineError, PermissionDenied
from engine.options.volume_options import Kind
from engine.runtime import rooted
from engine.runtime.wire import Failure

_KERNELS = ("/proc", "/sys", "/dev")


def refuse_own(home: Path, path: str, field: str, *, privileged: bool = False, is_exact: bool = False) -> str:
    """The path without links (`is_exact`: it is opened in a way that follows none).

    Raises PermissionDenied for what holds, or lies in, Portside's home, /proc, /sys or /dev.

    A container with these is the host's root by another name: only a privileged one may have the kernel's.
    """
    real = path if is_exact else os.path.realpath(path)
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


def root_of(roots: Sequence[str], path: str, field: str) -> str:
    """The one of `roots` that `path` (absolute, clean) lies in. Raises PermissionDenied that names them."""
    for root in roots:
        if root.startswith("/") and rooted.holds(root, path):
            return root
    raise PermissionDenied(
        f"{field}: {path} lies in none of the directories that the team's policy allows to bind: "
        f"{', '.join(roots)}; take one of these, or ask a maintainer of the team",
        {"field": field, "path": path, "roots": list(roots)},
    )


def open_beneath(home: Path, root: str, path: str, field: str, *, privileged: bool = False, makes: bool = False) -> int:
    """`rooted.open_beneath`, of what may be shown. Raises PermissionDenied, NotFound, Conflict with path and root."""
    refuse_own(home, path, field, privileged=privileged, is_exact=True)
    try:
        return rooted.open_beneath(root, path, makes=makes)
    except Failure as failure:
        detail = {"field": field, "path": path, "root": root}
        raise FAMILIES.get(failure.family, EngineError)(f"{field}: {failure}", detail) from None


def directory_beneath(home: Path, kind: Kind) -> int:
    """A volume's directory of the host, opened from the root that it has, to be read. Raises as `open_beneath`."""
    place = open_beneath(home, kind.root, kind.device, "volume")
    try:
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=place)
    except OSError as error:
        raise Conflict(f"{kind.device} is no directory that can be read: {error.strerror}") from None
    finally:
        os.close(place)


def _touches(path: str, own: str) -> bool:
    """Whether one lies in the other, or they are the same."""
    return path in ("/", own) or path.startswith(f"{own}/") or own.startswith(f"{path}/")
