"""A file's bytes, or a part of them, out through a pipe, at the pace of whoever reads there."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass

from engine.errors import Conflict
from engine.volumes.files import entry as entries
from engine.volumes.files.entry import Entry
from engine.volumes.files.paths import names_of, text
from engine.volumes.files.tree import Tree

PIECE_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `first` to `last` of a file, both included; None: from its beginning, to its end. A `first` below zero
    counts from the end. `etag`: the part is wanted of this content alone, of any other the whole."""

    first: int | None = None
    last: int | None = None
    etag: str | None = None

    def of(self, entry: Entry) -> tuple[int, int] | None:
        """Offset and length in that file; None: there is nothing of it (RFC 9110, 14.1.2)."""
        if (self.first is None and self.last is None) or (self.etag is not None and self.etag != entry.etag):
            return 0, entry.size
        first = self.first or 0
        if first < 0:
            return (max(0, entry.size + first), min(entry.size, -first)) if entry.size else None
        last = entry.size - 1 if self.last is None else min(self.last, entry.size - 1)
        return (first, last - first + 1) if first < entry.size and last >= first else None


WHOLE = Part()


class Download:
    """`entry`, `offset` and `length` (None: the part lies outside of the file) are known at once; the bytes come from
    `stream`, in blocking mode at our end. `wait` for the end, `close` in any case."""

    def __init__(self, tree: Tree, path: str, part: Part) -> None:
        names = names_of(path)
        self._file = tree.file(names)
        try:
            self.entry = entries.of(text(names[-1]) if names else "", os.fstat(self._file))
            found = part.of(self.entry)
            self.offset: int = found[0] if found else 0
            self.length: int | None = found[1] if found else None
            self.stream, self._out = os.pipe2(os.O_CLOEXEC)
        except BaseException:
            os.close(self._file)
            raise
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="file-out", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Returns at the end. Raises Conflict when the file became shorter than what was announced."""
        self._thread.join()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        if self.stream >= 0:
            os.close(self.stream)
            self.stream = -1
        self._thread.join()

    def _run(self) -> None:
        try:
            self._send()
        except BrokenPipeError:
            pass  # nobody wants it any more
        except BaseException as error:  # noqa: BLE001  whatever it was, `wait` raises it
            self._error = error
        finally:
            os.close(self._out)
            os.close(self._file)

    def _send(self) -> None:
        position, end = self.offset, self.offset + (self.length or 0)
        while position < end:
            data = memoryview(os.pread(self._file, min(PIECE_BYTES, end - position), position))
            if not data:
                raise Conflict("the file became shorter while it was read: read it again")
            position += len(data)
            while data:
                data = data[os.write(self._out, data) :]
