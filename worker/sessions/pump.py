"""Moves the bytes of one session: carrier → stdin, outputs → carrier, each as far as the other side has room.

Two threads: the carrier's waits for what the other side says, the pump's for descriptors; a pipe wakes the pump when
the other has something. Neither waits for the container's process: it may have stopped reading while it waits for us.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import select
import socket
import threading
import time
from collections.abc import Callable

from worker.contract import sessions
from worker.contract.frames import Frame, OpenSession
from worker.sessions.carriers import Carrier
from worker.sessions.direct import Ticket
from worker.sessions.source import InputLater, LeftAlone, Source

DIRECT_SECONDS = 10.0
"""How long the other side may take to come by the direct way, once it has heard of it."""
SPLICE_BYTES = 1 << 20
PIPE_BYTES = 1 << 20
"""So much is offered to a pipe at a time."""
DRAIN_BYTES = 1 << 20
"""What is still read after the process has ended: its children may hold the terminal for ever."""


class Pump:
    """One session. `carrier` is the caller's to close; `ticket`: for the direct way, if that is offered."""

    def __init__(self, carrier: Carrier, request: OpenSession, source: Source, ticket: Ticket | None = None) -> None:
        self._carrier, self._source, self._ticket = carrier, source, ticket
        self._window = request.window_bytes
        self._chunk = getattr(source, "chunk_bytes", sessions.DATA_BYTES)
        self._sent = self._consumed = 0  # bytes of output: sent, confirmed by the other side
        self._taken = self._written = self._told = 0  # bytes of input: received, written, confirmed to the other side
        self._pending = bytearray()
        self._no_more_input = False
        self._closed = self._is_left = False
        self._size: tuple[int, int] | None = None
        self._heard_at = time.monotonic()
        self._lock = threading.Lock()
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> None:
        """Serve until the end. Raises what the carrier does when the other side is out of reach for too long."""
        if isinstance(self._source, InputLater):
            self._source.on_change(self._wake)
        try:
            offered = {} if self._ticket is None else {sessions.DIRECT: True}
            self._send(sessions.OPENED, data=json.dumps({**self._source.described(), **offered}).encode())
            self._carrier.listen(self._take, self._wake, lambda: self._closed)
            connection = None if self._ticket is None else self._ticket.wait(DIRECT_SECONDS)
            if connection is None:
                self._move()
            else:
                with connection:
                    self._splice(connection)
            if not self._closed:
                self._send(sessions.END, data=json.dumps(self._source.result()).encode())
        finally:
            self._closed = True
            with self._lock:
                os.close(self._wake_read)
                os.close(self._wake_write)
                self._wake_write = -1

    # ---- the carrier's thread

    def _take(self, frame: Frame) -> None:
        with self._lock:
            self._heard_at = time.monotonic()
            if frame.kind == sessions.DATA:
                repeated = self._taken - (frame.cursor - len(frame.data))
                if 0 <= repeated < len(frame.data):  # a gap can't be: the other side sends again from our credit
                    self._pending += frame.data[repeated:]
                    self._taken = frame.cursor
            elif frame.kind == sessions.END:
                self._no_more_input = True
            elif frame.kind == sessions.CREDIT:
                self._consumed = max(self._consumed, min(frame.cursor, self._sent))
            elif frame.kind == sessions.RESIZE:
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    size = json.loads(frame.data)
                    self._size = (int(size["rows"]), int(size["columns"]))
            elif frame.kind == sessions.CLOSE:
                self._closed = True
            elif frame.kind == sessions.LEAVE and isinstance(self._source, LeftAlone):
                self._source.leave()
                self._is_left = True

    def _wake(self) -> None:
        with self._lock, contextlib.suppress(BlockingIOError):
            if self._wake_write >= 0:  # after the end its number may be another's
                os.write(self._wake_write, b"x")

    # ---- the pump's thread

    def _move(self) -> None:
        source = self._source
        outputs = dict(source.outputs)
        for descriptor in (*outputs, *([] if source.stdin is None else [source.stdin])):
            os.set_blocking(descriptor, False)
        is_ended = False
        while not self._closed and not is_ended and (outputs or source.ended is not None):
            self._obey()
            if time.monotonic() - self._heard_at > sessions.IDLE_SECONDS and not self._is_left:
                self._closed = True
                return
            for descriptor, events in self._poll(outputs):
                if descriptor == self._wake_read:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._wake_read, 4096)
                elif descriptor == source.ended:
                    is_ended = True
                elif (
                    descriptor in outputs
                    and events & ~select.POLLOUT
                    and self._room() > 0
                    and not self._read(descriptor, outputs[descriptor])
                ):
                    del outputs[descriptor]
                if descriptor == source.stdin and events & ~select.POLLIN:
                    self._write()
        self._drain(outputs)

    def _splice(self, connection: socket.socket) -> None:
        """The direct way: the kernel moves the bytes (splice(2)), whose ends hold each other back.

        A cut connection may look like the end of the input; so the end counts once the broker has brought END as well.
        """
        source = self._source
        for stream in source.outputs:
            self._put_out(stream, connection)
        if source.stdin is not None and self._take_in(source.stdin, connection):
            self._await(lambda: self._no_more_input)
            if not self._closed:
                source.close_stdin()
        if source.ended is not None:
            self._await(lambda: _is_readable(source.ended or 0))

    def _put_out(self, stream: int, connection: socket.socket) -> None:
        """Until the stream's end. Whoever hangs up before wants no rest, and nobody waits for the process's end."""
        poll = select.poll()
        for descriptor in (stream, self._wake_read):
            poll.register(descriptor, select.POLLIN)
        try:
            while not self._closed:
                ready = {descriptor for descriptor, _ in poll.poll(1000)}
                if self._wake_read in ready:
                    os.read(self._wake_read, 4096)
                if stream in ready and not os.splice(stream, connection.fileno(), SPLICE_BYTES):
                    break
        except ConnectionError:
            self._closed = True
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_WR)

    def _take_in(self, stdin: int, connection: socket.socket) -> bool:
        """Until the other side sends no more; False when the process has ended or reads no more before that."""
        poll = select.poll()
        for descriptor in (connection.fileno(), self._source.ended):
            if descriptor is not None:
                poll.register(descriptor, select.POLLIN)
        try:
            while not self._closed:
                ready = {descriptor for descriptor, _ in poll.poll(1000)}
                if self._source.ended in ready:
                    return False
                if ready and not os.splice(connection.fileno(), stdin, SPLICE_BYTES):
                    return True
        except BrokenPipeError:
            return False
        except ConnectionError:  # whoever sent has died
            self._closed = True
        return False

    def _await(self, claim: Callable[[], bool]) -> None:
        """Until it holds, or the session is closed, or whoever closes it is not heard any more."""
        poll = select.poll()
        for descriptor in (self._wake_read, self._source.ended):
            if descriptor is not None:
                poll.register(descriptor, select.POLLIN)
        while not self._closed and not claim():
            if poll.poll(1000):
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake_read, 4096)
            elif time.monotonic() - self._heard_at > sessions.IDLE_SECONDS:
                self._closed = True

    def _poll(self, outputs: dict[int, int]) -> list[tuple[int, int]]:
        wanted: dict[int, int] = {self._wake_read: select.POLLIN}
        with self._lock:
            has_room, has_input = self._room() > 0, bool(self._pending)
        if has_room:
            wanted |= dict.fromkeys(outputs, select.POLLIN)
        if has_input and self._source.stdin is not None:
            wanted[self._source.stdin] = wanted.get(self._source.stdin, 0) | select.POLLOUT
        if self._source.ended is not None and (has_room or not outputs):
            wanted[self._source.ended] = select.POLLIN
        poll = select.poll()
        for descriptor, events in wanted.items():
            poll.register(descriptor, events)
        return poll.poll(1000)

    def _obey(self) -> None:
        with self._lock:
            size, self._size = self._size, None
            is_done = self._no_more_input and not self._pending
            self._no_more_input = self._no_more_input and not is_done
            consumed = self._consumed
        if size is not None:
            self._source.resize(*size)
        if is_done:
            self._source.close_stdin()
        self._carrier.forget(consumed)

    def _room(self) -> int:
        if self._is_left:
            return self._chunk
        return self._window - (self._sent - self._consumed)

    def _read(self, descriptor: int, channel: int) -> bool:
        """Send what is there, as far as there is room; False at the stream's end."""
        try:
            data = os.read(descriptor, min(self._chunk, self._room()))
        except BlockingIOError:
            return True
        except OSError as error:
            if error.errno != errno.EIO:  # a terminal's other side has no more holders: tty_ioctl(4), pty(7)
                raise
            return False
        if data and not self._is_left:
            self._sent += len(data)
            self._send(sessions.DATA, channel, self._sent, data)
        return bool(data)

    def _write(self) -> None:
        source = self._source
        with self._lock:
            data = bytes(self._pending[:PIPE_BYTES])
        if not data or source.stdin is None:
            return
        try:
            count = os.write(source.stdin, data)
        except BlockingIOError:
            return
        except OSError:  # it reads no more: what comes is dropped, as a shell's pipe would
            count = len(data)
        with self._lock:
            del self._pending[:count]
            self._written += count
        if self._written - self._told >= sessions.INPUT_WINDOW_BYTES // 4 or not self._pending:
            self._told = self._written
            self._send(sessions.CREDIT, cursor=self._written)

    def _drain(self, outputs: dict[int, int]) -> None:
        """What the process wrote before its end."""
        end = self._sent + DRAIN_BYTES
        for descriptor, channel in outputs.items():
            while not self._closed and not self._is_left and self._sent < end:
                while not self._closed and self._room() <= 0:
                    self._wait_for_room()
                if not _is_readable(descriptor) or not self._read(descriptor, channel):
                    break

    def _wait_for_room(self) -> None:
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        if poll.poll(1000):
            os.read(self._wake_read, 4096)
        elif time.monotonic() - self._heard_at > sessions.IDLE_SECONDS:
            self._closed = True

    def _send(self, kind: int, channel: int = 0, cursor: int = 0, data: bytes = b"") -> None:
        self._carrier.send(Frame(kind, channel, cursor, time.time(), data))


def _is_readable(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))
