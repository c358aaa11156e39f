"""What lies in a directory of the host, opened from there by openat2(2): no link on the way leads anywhere.

For paths that a policy has allowed, and that containers may write to meanwhile.
"""

from __future__ import annotations

import errno
import os

from engine.runtime import kernel
from engine.runtime.wire import Failure

_EXACT = kernel.RESOLVE_NO_SYMLINKS | kernel.RESOLVE_NO_MAGICLINKS
_BENEATH = _EXACT | kernel.RESOLVE_BENEATH


def holds(root: str, path: str) -> bool:
    """Whether `path` lies in `root`, or is it, by their words alone; both absolute and without `..`."""
    return path == root or path.startswith(f"{root.rstrip('/')}/")


def open_beneath(root: str, path: str, *, makes: bool = False) -> int:
    """`path`, which lies in `root`, as a descriptor (O_PATH), the caller's to close; both absolute.

    `makes`: directories that are missing below the root are made, root's and open to all. Raises Failure: not_found,
    permission_denied for a link (also in the place of the root or of what is above it), conflict.
    """
    if not holds(root, path) or ".." in path.split("/"):
        raise Failure("permission_denied", f"{path} does not lie in {root}")
    base = _opened(kernel.AT_FDCWD, root, root, path, _EXACT)
    try:
        below = path[len(root.rstrip("/")) :].strip("/") or "."
        if makes:
            _make(base, below, root, path)
        return _opened(base, below, root, path, _BENEATH)
    finally:
        os.close(base)


def _make(base: int, below: str, root: str, path: str) -> None:
    """Step by step, each from the root: what was opened before may have been put elsewhere."""
    names = [name for name in below.split("/") if name not in ("", ".")]
    for count, name in enumerate(names):
        parent = _opened(base, "/".join(names[:count]) or ".", root, path, _BENEATH)
        try:
            os.mkdir(name, 0o755, dir_fd=parent)
        except FileExistsError:
            pass
        except OSError as error:
            raise Failure("conflict", f"{path} can't be made in {root}: {error.strerror}") from None
        finally:
            os.close(parent)


def _opened(base: int, what: str, root: str, path: str, resolve: int) -> int:
    try:
        return kernel.openat2(base, what, os.O_PATH, resolve)
    except FileNotFoundError:
        raise Failure("not_found", f"{path} is not there in {root}: make it first") from None
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.EXDEV):
            where = f"{root}, which binds have to lie in, has" if resolve == _EXACT else f"{path} in {root} has"
            raise Failure(
                "permission_denied", f"{where} a link on its way, which is not followed: name the directory itself"
            ) from None
        if error.errno == errno.ENOTDIR:
            raise Failure("conflict", f"{path}: something on the way from {root} is no directory") from None
        raise Failure("conflict", f"{path} can't be opened in {root}: {error.strerror}") from None
