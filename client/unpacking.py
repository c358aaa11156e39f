"""A tar from a container unpacked here. Whoever made it is not trusted: no name and no link leads out of the target.

Each entry is reached from the target's descriptor, step by step, and no step follows a link. Devices, pipes and
set-user-id bits are left out, owners are ours.
"""

from __future__ import annotations

import contextlib
import os
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from client.errors import DataCorrupt, InvalidArgument

_BLOCK_BYTES = 1 << 20
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Pieces:
    """An iterator of bytes as a file to read from."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)
        self._rest = b""

    def read(self, count: int = -1) -> bytes:
        """At most `count` bytes, fewer only at the end."""
        while count < 0 or len(self._rest) < count:
            part = next(self._parts, None)
            if part is None:
                break
            self._rest += part
        count = len(self._rest) if count < 0 else count
        data, self._rest = self._rest[:count], self._rest[count:]
        return data


def unpack(parts: Iterable[bytes], target: Path, root: str | None = None) -> int:
    """Unpack into the directory `target`; `root` is what the tar's first part of each name becomes.

    Returns how many entries there were. Raises DataCorrupt for a tar that is none, or leads elsewhere.
    """
    count = 0
    top = os.open(target, _DIRECTORY & ~os.O_NOFOLLOW)
    modes: list[tuple[tuple[str, ...], int]] = []
    try:
        with tarfile.open(fileobj=Pieces(parts), mode="r|") as tar:  # type: ignore[call-overload]
            for member in tar:
                names = _names(member.name, root)
                if names:
                    _place(tar, member, top, names, root)
                    count += 1
                if member.isdir() and names:
                    modes.append((names, member.mode & 0o777))
        for names, mode in reversed(modes):  # a directory that can't be written is filled first
            with _opened(top, names) as directory:
                os.fchmod(directory, mode)
    except tarfile.TarError as error:
        raise DataCorrupt(f"what came is no whole tar: {error}") from None
    except OSError as error:
        raise InvalidArgument(f"{target}: {error.strerror}: see that it can be written") from None
    finally:
        os.close(top)
    return count


def _names(name: str, root: str | None) -> tuple[str, ...]:
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts or "\0" in name:
        raise DataCorrupt(f"an entry leads out of the target: {name[:100]!r}")
    if root is not None and parts:
        parts = [*root.split("/"), *parts[1:]] if root else parts[1:]
    return tuple(parts)


def _place(tar: tarfile.TarFile, member: tarfile.TarInfo, top: int, names: tuple[str, ...], root: str | None) -> None:
    if not (member.isdir() or member.isreg() or member.issym() or member.islnk()):
        return
    with _opened(top, names[:-1], make=True) as parent:
        name = names[-1]
        if member.isdir():
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, 0o700, dir_fd=parent)
            os.close(os.open(name, _DIRECTORY, dir_fd=parent))
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=parent)
        if member.issym():
            if "\0" in member.linkname:
                raise DataCorrupt(f"a link leads nowhere: {member.name[:100]!r}")
            os.symlink(member.linkname, name, dir_fd=parent)
        elif member.islnk():
            source = _names(member.linkname, root)
            if not source:
                raise DataCorrupt(f"a link leads nowhere: {member.name[:100]!r}")
            with _opened(top, source[:-1]) as other:
                os.link(source[-1], name, src_dir_fd=other, dst_dir_fd=parent, follow_symlinks=False)
        else:
            _write(tar, member, parent, name)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, parent: int, name: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=parent)
    with os.fdopen(descriptor, "wb") as file:
        content: Any = tar.extractfile(member)
        while data := content.read(_BLOCK_BYTES):
            file.write(data)
        file.flush()
        os.fchmod(descriptor, member.mode & 0o777)
        with contextlib.suppress(OverflowError, ValueError):  # a time that there can't be
            os.utime(descriptor, (member.mtime, member.mtime))


@contextlib.contextmanager
def _opened(top: int, names: Iterable[str], *, make: bool = False) -> Iterator[int]:
    """A directory below the target, reached without following a link."""
    at = os.dup(top)
    try:
        for name in names:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, 0o777, dir_fd=at)
            following = os.open(name, _DIRECTORY, dir_fd=at)
            os.close(at)
            at = following
        yield at
    finally:
        os.close(at)
