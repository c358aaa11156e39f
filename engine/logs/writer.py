"""Writes a container's log: bytes go from pipe to file inside the kernel, by splice(2)."""

from __future__ import annotations

import errno
import fcntl
import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from engine.errors import Conflict, ResourceExhausted
from engine.logs.segments import RECORD_SIZE, STREAMS, Index, Record, Segment, lone_indexes, segments

SEGMENT_BYTES = 20 << 20
SEGMENTS_KEPT = 5
# A container that changes streams at each byte needs a record for each: the index must not outgrow the log's limit.
_INDEX_BYTES = SEGMENT_BYTES

_SPLICE_BYTES = 1 << 20
# At most that much in one call, so that one loud container doesn't keep others waiting.
_BUDGET_BYTES = 4 << 20
# Bytes that follow within a millisecond share a record: a flood costs one record a splice, not one a line.
_COALESCE_NS = 1_000_000


class LogWriter:
    """The one writer of the log in `directory`; takes up where the last one stopped, however it stopped.

    A segment holds `max_bytes`; the newest `keep` stay. `full` is told of each segment that will not be written any
    more, also of those that a writer before left behind; it must not wait. Raises Conflict when another writer is at
    work.
    """

    def __init__(
        self,
        directory: Path,
        max_bytes: int = SEGMENT_BYTES,
        keep: int = SEGMENTS_KEPT,
        full: Callable[[Segment], None] = lambda _: None,
    ) -> None:
        self._directory = directory
        self._full = full
        self._max_bytes = max_bytes
        self._keep = keep
        self._data = self._index = self._lock = -1
        self._size = self._index_size = 0
        self._last: Record | None = None
        try:
            self._open_directory()
            found = segments(directory)
            self._segment = found[-1] if found else Segment(directory, 0)
            self._open_segment()
            for segment in found[:-1]:
                if segment.data.exists():
                    full(segment)
        except BaseException:
            self.close()
            raise

    @property
    def end(self) -> int:
        """The cursor behind the last byte."""
        return self._segment.base + self._size

    def pump(self, descriptor: int, stream: str) -> int | None:
        """Move what is in the pipe `descriptor` into the log, without ever waiting; `stream` is of STREAMS.

        Returns the number of bytes moved, 0 at the end of the stream (no writer is left, nothing is in the
        pipe), None when nothing is there now. Up to 4 MiB in one call: poll again. Raises ResourceExhausted
        when the disk is full; what could not be written is still in the pipe.
        """
        number = STREAMS.index(stream)
        self._mend()
        moved = 0
        while moved < _BUDGET_BYTES:
            events = _events(descriptor)
            if not events & select.POLLIN:
                if moved:
                    return moved
                return 0 if events & (select.POLLHUP | select.POLLERR) else None
            if self._size >= self._max_bytes or (self._size and self._index_size >= _INDEX_BYTES):
                self._rotate()
            with _full_disk_explained(self._directory):
                self._describe(number)
                count = min(_SPLICE_BYTES, self._max_bytes - self._size)
                try:
                    spliced = os.splice(
                        descriptor, self._data, count, offset_dst=self._size, flags=os.SPLICE_F_NONBLOCK
                    )
                except BlockingIOError:
                    return moved or None
            if spliced == 0:
                return moved
            self._size += spliced
            moved += spliced
        return moved

    def close(self) -> None:
        self._close_segment()
        lock, self._lock = self._lock, -1
        if lock >= 0:
            os.close(lock)

    def __enter__(self) -> LogWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _describe(self, stream: int) -> None:
        """Say whose the next bytes are, before they come."""
        now = time.time_ns()
        last = self._last
        if last is not None and last.stream == stream and 0 <= now - last.time_ns < _COALESCE_NS:
            return
        record = Record(self._size, now, stream)
        if os.pwrite(self._index, record.pack(), self._index_size) != RECORD_SIZE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._index_size += RECORD_SIZE
        self._last = record

    def _rotate(self) -> None:
        closed = self._segment
        self._segment = Segment(self._directory, self.end)
        self._open_segment()
        self._full(closed)
        for old in segments(self._directory)[: -self._keep]:
            old.remove()
        for path in lone_indexes(self._directory):
            path.unlink(missing_ok=True)

    def _mend(self) -> None:
        """Go on in a new segment when somebody removed the directory or cut the file: cursors never go back."""
        status = os.fstat(self._data)
        if status.st_nlink and status.st_size == self._size:
            return
        end = self.end
        self._open_directory()
        self._segment = Segment(self._directory, end)
        self._open_segment()

    def _open_directory(self) -> None:
        self._directory.mkdir(exist_ok=True)  # not its parents: a container that is removed must stay so
        lock = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        old, self._lock = self._lock, lock
        if old >= 0:
            os.close(old)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Conflict(f"Another process is writing the log in {self._directory}") from None

    def _open_segment(self) -> None:
        """Open or make the current segment and find its end; drop records that describe bytes never written."""
        self._close_segment()
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        with _full_disk_explained(self._directory):
            # The index first: whoever sees the data finds the index.
            self._index = os.open(self._segment.index, flags, 0o600)
            self._data = os.open(self._segment.data, flags, 0o600)
        self._size = os.fstat(self._data).st_size
        index = Index(self._index)
        count = index.count
        # Only a power cut can leave such records: index and data reach the disk in any order.
        while count and ((record := index.record(count - 1)).offset > self._size or not record.time_ns):
            count -= 1
        self._index_size = count * RECORD_SIZE
        os.ftruncate(self._index, self._index_size)
        self._last = None

    def _close_segment(self) -> None:
        descriptors = (self._data, self._index)
        self._data = self._index = -1
        for descriptor in descriptors:
            if descriptor >= 0:
                os.close(descriptor)


def _events(descriptor: int) -> int:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    ready = poll.poll(0)
    return ready[0][1] if ready else 0


@contextmanager
def _full_disk_explained(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise ResourceExhausted(
            f"No space is left for the log in {directory}; the container waits until there is some"
        ) from error
