"""The file of one recording: asciicast v2 (docs.asciinema.org), a line of JSON for each piece of output.

    <id>.cast     {"version": 2, "width": 80, "height": 24, …}
                  [1.25, "o", "text"]        output        [3.5, "r", "100x40"]      the terminal's size
    <id>.cursor   how many bytes of output are in it

What is typed is not written: passwords are typed. Whoever was killed left whole lines but maybe the last, and a cursor;
the next one cuts the torn line off and goes on at the cursor, so nothing comes twice, also when an old connection and
the one that took its place write at the same time.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import struct
import time
from codecs import getincrementaldecoder
from collections.abc import Iterator
from pathlib import Path
from typing import Any

BYTES_MAXIMUM = 64 << 20
"""Who prints more than that is recorded no further: the file says so."""
_CURSOR = struct.Struct("<Q")
_FULL = "\r\n\x1b[2m[The recording ends here: it has become too long.]\x1b[0m\r\n"


class Recorder:
    """Writes to the recording at `path`; `at` is its beginning in Unix seconds. Used by one thread at a time."""

    def __init__(self, path: Path, at: float) -> None:
        self._path, self._at = path, at
        self._decoder = getincrementaldecoder("utf-8")("replace")

    def begin(self, *, rows: int, columns: int, title: str) -> None:
        """Make the file. Raises OSError."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        header = {"version": 2, "width": columns, "height": rows, "timestamp": int(self._at), "title": title}
        with self._opened() as (file, cursor):
            os.ftruncate(file, 0)
            os.write(file, json.dumps(header).encode() + b"\n")
            os.pwrite(cursor, _CURSOR.pack(0), 0)

    def output(self, cursor: int, data: bytes) -> None:
        """Output that ends at `cursor` (bytes of the session so far); what is written already is passed over."""
        with self._opened() as (file, position):
            written = _CURSOR.unpack(os.pread(position, _CURSOR.size, 0).ljust(_CURSOR.size, b"\0"))[0]
            fresh = data[max(0, written - (cursor - len(data))) :] if cursor > written else b""
            if not fresh:
                return
            text = self._decoder.decode(fresh)
            size = os.fstat(file).st_size
            if size < BYTES_MAXIMUM:
                is_last = size + len(fresh) >= BYTES_MAXIMUM
                self._write(file, "o", text + _FULL if is_last else text)
            os.pwrite(position, _CURSOR.pack(cursor), 0)

    def resized(self, rows: int, columns: int) -> None:
        with self._opened() as (file, _):
            if os.fstat(file).st_size < BYTES_MAXIMUM:
                self._write(file, "r", f"{columns}x{rows}")

    def _write(self, file: int, code: str, text: str) -> None:
        if text:
            line = json.dumps([round(max(0.0, time.time() - self._at), 6), code, text], ensure_ascii=False)
            os.write(file, line.encode("utf-8", "replace") + b"\n")

    @contextlib.contextmanager
    def _opened(self) -> Iterator[tuple[int, int]]:
        """File and cursor, locked against another writer; a line that a death has torn is cut off."""
        file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        cursor = -1
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            cursor = os.open(self._path.with_suffix(".cursor"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            _mend(file)
            yield file, cursor
        finally:
            os.close(file)
            if cursor >= 0:
                os.close(cursor)


def _mend(file: int) -> None:
    size = os.fstat(file).st_size
    if size and os.pread(file, 1, size - 1) != b"\n":
        tail = os.pread(file, 1 << 20, max(0, size - (1 << 20)))
        os.ftruncate(file, size - len(tail) + tail.rfind(b"\n") + 1)


def delete(path: Path) -> None:
    for one in (path, path.with_suffix(".cursor")):
        one.unlink(missing_ok=True)


def header_of(path: Path) -> dict[str, Any] | None:
    """The first line; None when there is no such file (any more)."""
    try:
        with open(path, "rb") as file:
            found = json.loads(file.readline(1 << 16))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
