"""Reading and writing the small files of a control group."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

from engine.errors import Conflict, PermissionDenied, ResourceExhausted, Unavailable, Unsupported


def write(path: Path, value: str | int) -> None:
    """Write one value in one system call; the error names the file and the value."""
    write_each(path, (value,))


def write_each(path: Path, values: Iterable[str | int]) -> None:
    """Write one value after the other, each in a system call of its own; as `write`."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        if not path.parent.exists():
            raise Conflict(
                f"the control group {path.parent} is gone, somebody has removed it by hand: restart the container"
            ) from None
        raise Unsupported(f"the kernel has no {path}; this limit can't be set here") from None
    except PermissionError:
        raise PermissionDenied(f"{path} can't be written; Portside needs root on this machine") from None
    try:
        for value in values:
            try:
                os.write(fd, str(value).encode())
            except OSError as error:
                raise _translated(error, path, value) from error
    finally:
        os.close(fd)


def make(directory: Path | str) -> bool:
    """Make a group and those above it, of which it tells whether one was missing; one that exists is fine."""
    try:
        try:
            os.mkdir(directory)
        except FileNotFoundError:
            os.makedirs(directory, exist_ok=True)
            return True
        except FileExistsError:
            if not os.path.isdir(directory):
                raise
    except OSError as error:
        raise _translated(error, Path(directory), "a new group") from error
    return False


def read(path: Path) -> str | None:
    """The stripped content; None if the file or the group is gone."""
    try:
        return path.read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.ENODEV:  # removed between open and read
            return None
        raise


def flat_value(path: Path, key: str) -> int | None:
    """The number behind `key` in a file of "key value" lines."""
    for line in (read(path) or "").splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return int(value)
    return None


def _translated(error: OSError, path: Path, value: str | int) -> Exception:
    if error.errno in (errno.ENOSPC, errno.ENOMEM):
        return ResourceExhausted(f"writing {value} to {path}: {error.strerror}")
    if error.errno in (errno.EPERM, errno.EACCES, errno.EROFS):
        return PermissionDenied(f"writing {value} to {path}: {error.strerror}")
    return Unavailable(f"writing {value} to {path}: {error.strerror}")
