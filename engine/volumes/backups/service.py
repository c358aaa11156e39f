"""Backups of volumes: written, restored, removed; places for them tried. The site knows which there are."""

from __future__ import annotations

import contextlib
import os
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from engine.archives import transfer
from engine.archives.request import PACK, UNPACK, Request
from engine.archives.transfer import Transfer
from engine.errors import DataCorrupt, EngineError, InvalidArgument, Unsupported
from engine.options.volume_options import PLAIN
from engine.store.database import Store
from engine.volumes.backups.place import DIRECTORY, S3, Place, PlaceSpec, Readable, check_key
from engine.volumes.backups.streams import PackedTar, Progress, unpack
from engine.volumes.copies import Copies
from engine.volumes.filling import DATA, settle, sync
from engine.volumes.records import Records
from engine.volumes.shelf import Shelf
from engine.volumes.sizes import Sizes
from engine.volumes.volume import Volume, VolumeSpec


@dataclass(frozen=True, slots=True)
class Written:
    """A backup that is there: its bytes as they lie in their place, and those of the files in it."""

    key: str
    size_bytes: int
    raw_bytes: int
    digest: str
    left_out: int


class Backups:
    """`home`: Portside's own directory, which is no place for backups."""

    def __init__(
        self, *, home: Path, store: Store, records: Records, shelf: Shelf, sizes: Sizes, copies: Copies
    ) -> None:
        self._home, self._store, self._records, self._shelf = home, store, records, shelf
        self._sizes, self._copies = sizes, copies

    def write(
        self,
        name: str,
        spec: PlaceSpec,
        key: str,
        *,
        pause: bool = False,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Written:
        """All of a volume's files as one backup, which is there when it is whole; another one of this key is replaced.

        `pause`: containers that use the volume stand still while its files are set apart (on this host's disk).
        Raises NotFound, and what the place raises.
        """
        check_key(key)
        place, volume = self._place(spec), self._records.get(name)
        guess = volume.size_bytes or 0
        with self._packing(volume, pause=pause, cancel=cancel) as packing:
            content = PackedTar(packing, progress, cancel)
            place.write(key, content, guess)
        with self._store.transaction():
            self._records.tell("backup", name, key=key, size_bytes=content.size)
        return Written(key, content.size, content.raw_bytes, content.digest, int(content.result.get("left_out", 0)))

    def restore(
        self,
        name: str,
        spec: PlaceSpec,
        key: str,
        *,
        digest: str = "",
        stop: bool = False,
        progress: Progress | None = None,
        cancel: threading.Event | None = None,
    ) -> Volume:
        """Have in a volume what a backup holds, and nothing else; a volume that is missing is made.

        Until all is there, and is what `digest` says, nothing changes. Raises Conflict while a container runs with it,
        unless `stop`; DataCorrupt, ResourceExhausted, Cancelled, and what the place raises.
        """
        place = self._place(spec)
        with place.read(check_key(key)) as source:
            self._take(name, source, digest, stop=stop, progress=progress, cancel=cancel)
        with self._store.transaction():
            self._records.tell("restore", name, key=key)
        return self._sizes.measure(name)

    def remove(self, spec: PlaceSpec, keys: Sequence[str]) -> None:
        """One that isn't there is as good as removed."""
        place = self._place(spec)
        for key in keys:
            place.remove(check_key(key))

    def try_place(self, spec: PlaceSpec) -> None:
        """Write, read and remove a small file there. Raises what the place raises, DataCorrupt."""
        place, key, content = self._place(spec), f"portside-test-{secrets.token_hex(6)}", secrets.token_bytes(64)
        place.write(key, _Bytes(content), len(content))
        try:
            with place.read(key) as source:
                if source.read(len(content) + 1) != content:
                    raise DataCorrupt("the place gave back something else than what was written to it")
        finally:
            place.remove(key)

    # ---- as a stream

    def pack(self, name: str) -> Transfer:
        """All files of a volume as a tar: read `Transfer.stream`, then `wait` and `close`. Raises NotFound."""
        volume = self._records.get(name)
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._shelf.steady(name))
            root = self._copies.source(volume)
            stack.callback(os.close, root)
            request = Request(action=PACK, path="/.", root=root, without_devices=True)
            return transfer.begin(request, stack.pop_all())

    def unpack(self, name: str, *, stop: bool = False) -> Unpacking:
        """A tar (plain, gzip, zstd) becomes all of a volume's files. Raises as `restore`."""
        volume = self._records.get(name)
        if volume.kind.name != PLAIN:
            raise Unsupported(f"volume {name} lies elsewhere: put its files there where they are")
        return Unpacking(self._copies.replacing(volume, stop=stop), lambda: self._sizes.measure(name))

    # ---- inside

    @contextlib.contextmanager
    def _packing(self, volume: Volume, *, pause: bool, cancel: threading.Event | None) -> Iterator[Transfer]:
        if not pause:
            with self.pack(volume.name) as packing:
                yield packing
            return
        with self._shelf.making() as made:
            with self._shelf.steady(volume.name):
                self._copies.set_apart(volume, made / DATA, cancel=cancel)
            root = os.open(made / DATA, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                request = Request(action=PACK, path="/.", root=root, without_devices=True)
                with transfer.begin(request) as packing:
                    yield packing
            finally:
                os.close(root)

    def _take(
        self, name: str, source: Readable, digest: str, *, stop: bool, progress: Progress | None,
        cancel: threading.Event | None,
    ) -> None:  # fmt: skip
        volume = self._records.find(name)
        if volume is not None:
            if volume.kind.name != PLAIN:
                raise Unsupported(f"volume {name} lies elsewhere: restore the backup into a new one")
            with self._copies.replacing(volume, stop=stop) as target, _unpacking(target) as unpacking:
                unpack(source, unpacking, digest, progress, cancel)
            return
        spec = VolumeSpec(name=name)
        spec.check()
        if not name:
            raise InvalidArgument("name: say which volume it is to be", {"field": "name"})
        with self._shelf.making() as made:
            target = made / DATA
            target.mkdir(mode=0o755)
            with _unpacking(target) as unpacking:
                unpack(source, unpacking, digest, progress, cancel)
            sync(target)
            settle(made)
            with self._store.transaction():
                if self._records.find(name) is None:
                    self._copies.adopt(made, spec)
                    return
        raise EngineError(f"volume {name} was made meanwhile: try again")

    def _place(self, spec: PlaceSpec) -> Place:
        if spec.prefix:
            check_key(spec.prefix.strip("/"))
        if spec.kind == DIRECTORY:
            from engine.volumes.backups.directory import DirectoryPlace

            return DirectoryPlace(self._home, spec)
        if spec.kind == S3:
            from engine.volumes.backups.s3 import S3Place  # its client takes its time to load

            return S3Place(spec)
        raise Unsupported(f"there is no kind of place for backups {spec.kind[:20]!r}: directory and s3 are")


class Unpacking:
    """A tar on its way into a volume: as a `Transfer`, with the change at the end of `wait`."""

    stat = None

    def __init__(self, replacing: contextlib.AbstractContextManager[Path], done: Any) -> None:
        self._stack, self._done = contextlib.ExitStack(), done
        target = self._stack.enter_context(replacing)
        try:
            self._transfer = self._stack.enter_context(_unpacking(target))
        except BaseException as error:
            self._stack.__exit__(type(error), error, error.__traceback__)
            raise

    @property
    def stream(self) -> int | None:
        return self._transfer.stream

    @property
    def pid(self) -> int:
        return self._transfer.pid

    def close_stream(self) -> None:
        self._transfer.close_stream()

    def wait(self) -> dict[str, Any]:
        """Raises what the archive is refused for; then all is as before."""
        try:
            result = self._transfer.wait()
        except BaseException as error:
            self._give_up(error)
            raise
        self._stack.close()
        self._done()
        return result

    def close(self) -> None:
        """Break off what still runs: then all is as before."""
        self._give_up(EngineError("it was broken off"))

    def _give_up(self, error: BaseException) -> None:
        with contextlib.suppress(EngineError):
            self._stack.pop_all().__exit__(type(error), error, None)

    def __enter__(self) -> Unpacking:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class _Bytes:
    def __init__(self, content: bytes) -> None:
        self._content = content

    def read(self, size: int, /) -> bytes:
        data, self._content = self._content[:size], self._content[size:]
        return data


def _unpacking(target: Path) -> Transfer:
    root = os.open(target, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return transfer.begin(Request(action=UNPACK, root=root, is_writable=True, marks_root=True))
    finally:
        os.close(root)
