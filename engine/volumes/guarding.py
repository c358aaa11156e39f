"""What of the host is never shown to a container: Portside's own directories, and the kernel's where it could do harm.

A directory that holds some of these (`/`, which agents of monitoring want) can be bound: they are empty in it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from engine.errors import FAMILIES, Conflict, EngineError, PermissionDenied
from engine.options.volume_options import Kind
from engine.runtime import rooted
from engine.runtime.wire import Failure

_KERNELS = ("/proc", "/sys", "/dev")
_READABLE = ("/proc", "/sys")
_MEMORY = "/dev/shm"  # noqa: S108 - it has files of programs, and no devices


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
            f"{field}: {path} has files of the kernel, which only a privileged container may have; devices has devices"
            + ("" if is_exact else ", and /proc and /sys can be bound read-only"),
            {"field": field},
        )
    return real


def bound(home: Path, path: str, field: str, *, privileged: bool, is_read_only: bool, is_shared: bool) -> str:
    """The path without links, for a bind in which `hidden` is not to be seen.

    `is_read_only`: with all that is mounted below; `is_shared`: what is mounted below the bind is so on the host, too.
    Raises PermissionDenied for what lies in Portside's home, for devices, for the kernel's files to be written, and for
    what is shared and holds some of these. A privileged container may have the kernel's.
    """
    real = os.path.realpath(path)
    inner = any(_lies(real, own) for own in (os.path.realpath(home), *_KERNELS))
    if not inner and hidden(home, real, privileged=privileged):
        if is_shared:
            what = "holds files of Portside's or of the kernel's, which would be hidden on the host as well"
            raise PermissionDenied(f"{field}: {path} {what}: take rslave instead of rshared", {"field": field})
        return real
    if _lies(real, _MEMORY) or (is_read_only and any(_lies(real, own) for own in _READABLE)):
        return real
    return refuse_own(home, path, field, privileged=privileged)


def is_kernels(path: str) -> bool:
    """Whether it lies in /proc or /sys, where to make a directory is to make something of the kernel's: a group."""
    return any(_lies(path, own) for own in _READABLE)


def hidden(home: Path, path: str, *, privileged: bool) -> tuple[str, ...]:
    """What lies below `path`, from there, and is not for containers: to be covered wherever it is bound.

    The home, which is in whatever holds one of the others, comes first.
    """
    own = (os.path.realpath(home), *(() if privileged else _KERNELS))
    return tuple(os.path.relpath(one, path) for one in own if one != path and _lies(one, path))


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
    return _lies(path, own) or _lies(own, path)


def _lies(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory.rstrip('/')}/")
