"""The content store: a blob is there completely, or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from engine.content.locks import held
from engine.errors import Cancelled, DataCorrupt, NotFound, ResourceExhausted
from engine.oci.digest import Digest

_HASH_BYTES = 1 << 20


class BlobMissing(NotFound):
    """No such blob in the store."""


class DigestMismatch(DataCorrupt):
    """The bytes are not those that the digest names."""


class DiskFull(ResourceExhausted):
    """The disk has no room for the blob."""


class Ingest:
    """A blob on its way in. Made by `ContentStore.ingest`, used by one thread under the digest's lock."""

    def __init__(self, path: Path, blob: Path, digest: Digest) -> None:
        self.path = path
        self.digest = digest
        self._blob = blob
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self._hasher = digest.hasher()
        self.offset = 0
        """Bytes that are there, those of earlier attempts included."""
        self._take_up()

    def _take_up(self) -> None:
        buffer = bytearray(_HASH_BYTES)
        while count := os.readv(self._descriptor, [buffer]):
            self._hasher.update(memoryview(buffer)[:count])
            self.offset += count

    def check_room(self, size: int) -> None:
        """Raises `DiskFull` when the disk can't hold a blob of `size` bytes: better now than once it is full."""
        facts = os.fstatvfs(self._descriptor)
        free = facts.f_bavail * facts.f_frsize
        if size - self.offset > free:
            raise DiskFull(
                f"{size - self.offset} bytes more are needed and the disk has {free} left: "
                "remove images or containers and try again",
                {"needed_bytes": size - self.offset, "free_bytes": free},
            )

    def write(self, data: bytes | memoryview) -> None:
        """Append. Raises `DiskFull`, and gives its space back then: the store itself needs some to say so."""
        while data:
            try:
                written = os.write(self._descriptor, data)
            except OSError as error:
                if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                    raise
                self.restart()
                raise DiskFull("the disk is full: remove images or containers and try again") from error
            self._hasher.update(data[:written])
            self.offset += written
            data = data[written:]

    def restart(self) -> None:
        """Forget what is there, because it proved wrong."""
        os.ftruncate(self._descriptor, 0)
        os.lseek(self._descriptor, 0, os.SEEK_SET)
        self._hasher = self.digest.hasher()
        self.offset = 0

    @property
    def is_valid(self) -> bool:
        """Whether what is there is what the digest names."""
        return self._hasher.hexdigest() == self.digest.hex

    def commit(self, is_durable: bool) -> None:
        """Turn the ingest into a blob. Raises `DigestMismatch`, and forgets the bytes then.

        `is_durable` waits until the disk has them; without it the caller marks what relies on them as unsynced.
        """
        if not self.is_valid:
            self.restart()
            raise DigestMismatch(f"the content is not what its digest {self.digest} names")
        if is_durable:
            os.fsync(self._descriptor)
        self.path.rename(self._blob)
        if is_durable:
            _sync_directory(self._blob.parent)

    def close(self) -> None:
        os.close(self._descriptor)
        with contextlib.suppress(FileNotFoundError):
            if self.path.stat().st_size == 0:
                self.path.unlink()


class ContentStore:
    """Blobs below `root`. Cheap to make; safe for many threads and processes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._ingests = root / "ingest"
        self._locks = root / "locks"
        self._trash = root / "trash"
        for directory in (
            self._ingests,
            self._locks,
            self._trash,
            root / "blobs" / "sha256",
            root / "blobs" / "sha512",
        ):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, digest: Digest) -> Path:
        """Where the blob is or would be."""
        return self.root / "blobs" / digest.algorithm / digest.hex

    def has(self, digest: Digest) -> bool:
        return self.path(digest).is_file()

    def size(self, digest: Digest) -> int:
        """Bytes of the blob. Raises `BlobMissing`."""
        try:
            return self.path(digest).stat().st_size
        except FileNotFoundError as error:
            raise BlobMissing(f"there is no blob {digest}") from error

    def read(self, digest: Digest) -> bytes:
        """The whole blob, for documents. Raises `BlobMissing`, `DigestMismatch`."""
        try:
            data = self.path(digest).read_bytes()
        except FileNotFoundError as error:
            raise BlobMissing(f"there is no blob {digest}") from error
        hasher = digest.hasher()
        hasher.update(data)
        if hasher.hexdigest() != digest.hex:
            raise DigestMismatch(f"blob {digest} is damaged on disk: pull the image again")
        return data

    def put(self, data: bytes, *, is_durable: bool = True) -> Digest:
        """Store bytes at hand and return their digest; storing them again is fine."""
        digest = Digest.of(data)
        with self.ingest(digest) as ingest:
            if ingest is not None:
                ingest.restart()
                ingest.write(data)
                ingest.commit(is_durable=is_durable)
        return digest

    def adopt(self, path: Path, digest: Digest) -> None:
        """Make the file at `path` the blob `digest`, which its maker has worked out; not waiting for the disk."""
        with self.ingest(digest) as ingest:
            if ingest is None:
                path.unlink()
            else:
                path.rename(self.path(digest))

    @contextlib.contextmanager
    def ingest(
        self,
        digest: Digest,
        cancel: threading.Event | None = None,
        waiting: Callable[[int], None] | None = None,
    ) -> Iterator[Ingest | None]:
        """The one ingest of `digest` on this host, under its lock; None when the blob is there already.

        While another thread or process has it, `waiting` is told how many bytes that one got. What an ingest has
        got stays for the next when the block is left without `commit`. Raises `Cancelled`.
        """
        name = f"{digest.algorithm}-{digest.hex}"
        path = self._ingests / name

        def tell() -> None:
            if waiting is not None:
                with contextlib.suppress(FileNotFoundError):
                    waiting(path.stat().st_size)

        with held(self._locks / name, cancel, tell):
            if self.has(digest):
                path.unlink(missing_ok=True)
                yield None
                return
            ingest = Ingest(path, self.path(digest), digest)
            try:
                yield ingest
            finally:
                ingest.close()

    def unfinished_bytes(self) -> int:
        """Bytes of what is on its way in, or was when somebody was killed."""
        return _total(self._ingests)

    def complete_bytes(self) -> int:
        """Bytes of all complete blobs."""
        return sum(_total(self.root / "blobs" / algorithm) for algorithm in ("sha256", "sha512"))

    def digests(self) -> list[Digest]:
        """All complete blobs."""
        return [
            Digest(f"{algorithm}:{name}")
            for algorithm in ("sha256", "sha512")
            for name in os.listdir(self.root / "blobs" / algorithm)
        ]

    def delete(self, digest: Digest) -> int:
        """Remove a blob; returns the bytes given back, 0 if it was not there."""
        path = self.path(digest)
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return 0
        return size

    def discard(self, digest: Digest) -> int:
        """Put a blob out of reach; returns its bytes, which `empty_trash` gives back: large files take their time."""
        path = self.path(digest)
        try:
            size = path.stat().st_size
            path.rename(self._trash / uuid.uuid4().hex)
        except FileNotFoundError:
            return 0
        return size

    def empty_trash(self) -> None:
        """Delete what was put out of reach, by whomever."""
        for name in os.listdir(self._trash):
            with contextlib.suppress(FileNotFoundError):
                (self._trash / name).unlink()

    def drop_ingests(self, digests: Iterable[Digest]) -> None:
        """Remove these ingests, but those that somebody works on. Needs no room on the disk, and gives some back."""
        cancelled = threading.Event()
        cancelled.set()
        for digest in digests:
            name = f"{digest.algorithm}-{digest.hex}"
            if (self._ingests / name).exists():
                with contextlib.suppress(Cancelled, OSError), held(self._locks / name, cancelled):
                    (self._ingests / name).unlink()

    def forget_ingests(self, keep: Collection[str]) -> None:
        """Remove unfinished ingests that nobody works on, except those of the digests to `keep`."""
        cancelled = threading.Event()
        cancelled.set()
        there, locked = set(os.listdir(self._ingests)), set(os.listdir(self._locks))
        for name in there | locked:  # a lock whose holder was killed goes when it is released once more
            is_kept = name.replace("-", ":", 1) in keep
            if is_kept and name not in locked:
                continue
            with contextlib.suppress(Cancelled, FileNotFoundError), held(self._locks / name, cancelled):
                if not is_kept:
                    (self._ingests / name).unlink()


def _total(directory: Path) -> int:
    total = 0
    with os.scandir(directory) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                total += entry.stat(follow_symlinks=False).st_size
    return total


def _sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
