"""Backups in a directory of the host: a file each, which appears when all of it is on the disk."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from engine.errors import NotFound, PermissionDenied, ResourceExhausted, Unavailable
from engine.runtime import kernel
from engine.volumes import guarding
from engine.volumes.backups.place import PlaceSpec, Readable

_BENEATH = kernel.RESOLVE_BENEATH | kernel.RESOLVE_NO_SYMLINKS
_PART = ".part-"
_CHUNK = 1 << 20


class DirectoryPlace:
    """`home`: Portside's own directory, which holds no backups. Raises PermissionDenied, NotFound."""

    def __init__(self, home: Path, spec: PlaceSpec) -> None:
        self._path = guarding.refuse_own(home, spec.directory, "directory")
        self._prefix = spec.prefix.strip("/")
        if not os.path.isdir(self._path):
            raise NotFound(
                f"{spec.directory} is no directory on the host: make it, or name another one", {"field": "directory"}
            )

    def write(self, key: str, content: Readable, size_guess: int) -> None:
        directory, base = self._opened(key, make=True)
        part = f"{_PART}{uuid.uuid4().hex}"
        try:
            _clear_parts(directory)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=directory)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)  # while it is held, nobody takes it for a leftover
                while chunk := content.read(_CHUNK):
                    _write_all(descriptor, chunk)
                os.fsync(descriptor)
                os.rename(part, base, src_dir_fd=directory, dst_dir_fd=directory)
                os.fsync(directory)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(part, dir_fd=directory)
                raise
            finally:
                os.close(descriptor)
        except OSError as error:
            raise self._explained(error) from error
        finally:
            os.close(directory)

    @contextlib.contextmanager
    def read(self, key: str) -> Iterator[Readable]:
        directory, base = self._opened(key)
        try:
            descriptor = kernel.openat2(directory, base, os.O_RDONLY, _BENEATH)
        except OSError as error:
            raise self._explained(error) from error
        finally:
            os.close(directory)
        with os.fdopen(descriptor, "rb", buffering=0) as file:
            yield _Raw(file.fileno())

    def remove(self, key: str) -> None:
        try:
            directory, base = self._opened(key)
        except NotFound:
            return
        try:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(base, dir_fd=directory)
        except OSError as error:
            raise self._explained(error) from error
        finally:
            os.close(directory)

    def _opened(self, key: str, *, make: bool = False) -> tuple[int, str]:
        """The directory that a key lies in, reached over no link, and its last part."""
        *above, base = [part for part in f"{self._prefix}/{key}".split("/") if part]
        try:
            current = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            for part in above:
                try:
                    if make:
                        with contextlib.suppress(FileExistsError):
                            os.mkdir(part, 0o700, dir_fd=current)
                    below = kernel.openat2(current, part, os.O_RDONLY | os.O_DIRECTORY, _BENEATH)
                finally:
                    os.close(current)
                current = below
        except OSError as error:
            raise self._explained(error) from error
        return current, base

    def _explained(self, error: OSError) -> Exception:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return ResourceExhausted(
                f"the disk of {self._path} is full, and nothing of the backup was kept: make room there and try again"
            )
        if error.errno in (errno.ELOOP, errno.EXDEV, errno.EACCES, errno.EPERM, errno.EROFS):
            return PermissionDenied(f"nothing can be written or read in {self._path}: {error.strerror}")
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return NotFound(f"there is no such backup in {self._path} any more: take another one")
        return Unavailable(f"{self._path} can't be used for backups: {error.strerror}")


class _Raw:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, size: int, /) -> bytes:
        return os.read(self._descriptor, size)


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def _clear_parts(directory: int) -> None:
    """What deaths have left; what somebody writes just now is locked."""
    for name in os.listdir(directory):
        if not name.startswith(_PART):
            continue
        with contextlib.suppress(OSError):
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(name, dir_fd=directory)
            finally:
                os.close(descriptor)
