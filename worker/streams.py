"""Carries logs to whoever watches: one thread for all streams, each held back by its reader.

The thread goes round: it takes what was asked, gives every stream that may send and has something to say a turn, and
sleeps when nobody had a turn. Streams at the end of a log are looked after by asking each log once per look how long it
is, however many follow it; a look is due when the kernel says that one has grown, or after a while where it can't.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import select
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import redis

from engine.errors import EngineError, Unsupported
from worker.broker import run_through_outages
from worker.contract import frames
from worker.contract.frames import CloseStream, Credit, Frame, OpenStream
from worker.contract.wire import to_wire
from worker.faults import error_info
from worker.outlets import TURN_BYTES, BrokerOutlet, Outlet, SocketOutlet

logger = logging.getLogger(__name__)

# How often followed logs are looked at that nobody tells of: often while there is something to see, less the more
# there are.
FOLLOW_SECONDS, RESTING_SECONDS, SECONDS_PER_LOG = 0.02, 0.05, 0.001
# Those that the kernel tells of: no sooner after the last look, so that what is printed line by line goes in batches.
GAP_SECONDS, GAP_SECONDS_PER_STREAM, WATCHED_SECONDS = 0.002, 0.0002, 1.0
MERGE_SECONDS = 0.005
NEAR_BYTES = 8 << 20
AWAY_SECONDS, LOST_SECONDS = 0.2, 5.0
"""For how long a broker that is away isn't tried again, and after how long its loss is a new one."""
SKIP_TO_LINES = 1000
_CHANNELS = {"stdout": frames.STDOUT, "stderr": frames.STDERR}


class Watcher(Protocol):
    """What tells of directories in which something was written; `engine.logs.follower.LogWatcher`."""

    def fileno(self) -> int: ...

    def drain(self) -> None: ...

    def add(self, directory: Path) -> bool: ...

    def remove(self, directory: Path) -> None: ...


@dataclass(slots=True)
class _Stream:
    request: OpenStream
    cursor: int
    outlet: BrokerOutlet | SocketOutlet
    at_end: int | None = None  # the log's length when everything was sent
    is_over: bool = False  # what comes now was logged at `until` or later
    not_before: float = 0.0  # `since`, if that was still to come; else the first cursor says it, however clocks go


class StreamServer:
    """`openers`: by a request's source, from its id to the engine's LogReader, or what reads as one; they raise its
    errors. `watcher` tells of those that have a `directory`."""

    def __init__(
        self, client: redis.Redis, openers: Mapping[str, Callable[[str], Any]], watcher: Watcher | None = None
    ) -> None:
        self._client = client
        self._openers = openers
        self._watcher = watcher
        self._messages: queue.SimpleQueue[tuple[Any, socket.socket | None]] = queue.SimpleQueue()
        self._streams: dict[str, _Stream] = {}
        self._sockets: dict[int, tuple[str, SocketOutlet]] = {}
        self._logs: dict[tuple[str, str], Any] = {}
        self._watched: set[tuple[str, str]] = set()
        self._looked_at = self._look_at = self._moved_at = self._broker_at = 0.0
        self._stop = threading.Event()
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll = select.epoll()
        for descriptor in (self._bell, *([] if watcher is None else [watcher.fileno()])):
            self._poll.register(descriptor, select.EPOLLIN)
        self._thread = threading.Thread(target=self._run, name="streams", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        os.eventfd_write(self._bell, 1)
        self._thread.join(1)

    def handle(self, message: OpenStream | Credit | CloseStream, connection: socket.socket | None = None) -> None:
        """Take a message of any thread; the frames of a stream that comes with a `connection` go there."""
        self._messages.put((message, connection))
        os.eventfd_write(self._bell, 1)

    def _run(self) -> None:
        run_through_outages("streams", self._stop, self._serve)

    def _serve(self) -> None:
        is_busy = True
        while not self._stop.is_set():
            self._wait(0 if is_busy else self._pause())
            now = time.monotonic()
            is_look = now >= self._look_at
            ends: dict[tuple[str, str], int] = {}
            moved = [self._turn(stream, ends, is_look=is_look) for stream in list(self._streams.values())]
            is_busy = any(moved)
            if is_busy:
                self._moved_at = now
            if is_look:
                self._looked_at, self._look_at = now, now + self._look_seconds(now)

    def _pause(self) -> float:
        """Until the next look; who can't have anything now is told of, or heard of."""
        if any(stream.outlet.credit > 0 for stream in self._streams.values()):
            return max(0.0, self._look_at - time.monotonic())
        return 5 if self._streams else -1

    def _look_seconds(self, now: float) -> float:
        if self._logs.keys() <= self._watched:
            return WATCHED_SECONDS
        return max(FOLLOW_SECONDS if now - self._moved_at < 1 else RESTING_SECONDS, SECONDS_PER_LOG * len(self._logs))

    def _wait(self, seconds: float) -> None:
        """For messages, for a log that grows, for room in a socket."""
        for descriptor, events in self._poll.poll(seconds):
            if descriptor == self._bell:
                os.eventfd_read(self._bell)
            elif descriptor in self._sockets:
                self._on_socket(descriptor, events)
            elif self._watcher is not None and descriptor == self._watcher.fileno():
                self._watcher.drain()
                gap = GAP_SECONDS + GAP_SECONDS_PER_STREAM * len(self._streams)
                self._look_at = min(self._look_at, self._looked_at + gap)
        while True:
            try:
                message, connection = self._messages.get_nowait()
            except queue.Empty:
                return
            self._take(message, connection)

    def _on_socket(self, descriptor: int, events: int) -> None:
        stream_id, outlet = self._sockets[descriptor]
        if events & (select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR):
            outlet.is_forgotten = True
        else:
            outlet.flush()
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.at_end = None  # the log may have grown unseen meanwhile
        self._settle(stream_id, outlet)

    def _settle(self, stream_id: str, outlet: SocketOutlet) -> None:
        """Wait for room if there is need, and close what is done."""
        if outlet.is_forgotten:
            self._drop(stream_id)
        if outlet.is_forgotten or (outlet.is_over and not outlet.is_full):
            del self._sockets[outlet.connection.fileno()]
            outlet.close()
            return
        wanted = select.EPOLLRDHUP | (select.EPOLLOUT if outlet.is_full else 0)
        self._poll.modify(outlet.connection.fileno(), wanted)

    def _take(self, message: Any, connection: socket.socket | None) -> None:
        if isinstance(message, OpenStream):
            if connection is None:
                self._open(message, BrokerOutlet(self._client, message.stream_id, message.window_bytes))
                return
            outlet = SocketOutlet(connection)
            self._sockets[connection.fileno()] = message.stream_id, outlet
            self._poll.register(connection.fileno(), select.EPOLLRDHUP)
            self._open(message, outlet)
        elif isinstance(message, CloseStream):
            self._drop(message.stream_id)
        elif isinstance(message, Credit):
            stream = self._streams.get(message.stream_id)
            if stream is not None and isinstance(stream.outlet, BrokerOutlet):
                if stream.outlet.credit <= 0:
                    stream.at_end = None  # the log may have grown unseen meanwhile
                stream.outlet.take_credit(message.consumed_bytes)

    def _open(self, request: OpenStream, outlet: BrokerOutlet | SocketOutlet) -> None:
        opener = self._openers.get(request.source)
        if opener is None:
            error = Unsupported(f"This host's worker knows no streams from {request.source!r}.")
            self._refuse(request.stream_id, outlet, 0, error)
            return
        try:
            log = self._logs.get(_key(request)) or opener(request.container_id)
            cursor = _first_cursor(log, request)
        except Exception as error:  # noqa: BLE001  what is wrong with one log is no matter of the others
            self._refuse(request.stream_id, outlet, 0, error)
            return
        self._look_at = 0.0
        self._logs[_key(request)] = log
        not_before = request.since if request.since is not None and request.since > time.time() else 0.0
        self._streams[request.stream_id] = _Stream(request, cursor, outlet, not_before=not_before)
        if request.follow and request.cursor is None and (request.tail is not None or request.since is not None):
            # Where that is, before anything comes: else who opens again would begin at another end.
            self._send_batch(request.stream_id, outlet, [Frame(frames.DATA, frames.STDOUT, cursor, time.time())])

    def _turn(self, stream: _Stream, ends: dict[tuple[str, str], int], *, is_look: bool) -> bool:
        if time.monotonic() < self._broker_at and isinstance(stream.outlet, BrokerOutlet):
            return False
        try:
            return self._advance(stream, ends, is_look=is_look)
        except redis.RedisError as error:  # sockets need no broker
            if time.monotonic() - self._broker_at > LOST_SECONDS:
                logger.warning("streams lost the broker and keep trying: %s", error)
            self._broker_at = time.monotonic() + AWAY_SECONDS
            return False
        except Exception as error:  # noqa: BLE001  what is wrong with one log is no matter of the others
            self._drop(stream.request.stream_id)
            self._refuse(stream.request.stream_id, stream.outlet, stream.cursor, error)
            return False

    def _advance(self, stream: _Stream, ends: dict[tuple[str, str], int], *, is_look: bool) -> bool:
        """Send what one stream may have now; True if it should have another turn at once."""
        request = stream.request
        if stream.outlet.is_forgotten:
            self._drop(request.stream_id)
            return False
        if stream.is_over:
            return self._finish(stream)
        if stream.outlet.credit <= 0 or (stream.at_end is not None and not is_look):
            return False
        key = _key(request)
        log = self._logs[key]
        try:
            if key not in ends:
                self._watch(key, log)
                ends[key] = log.end()
            if stream.at_end == ends[key]:
                return self._finish(stream) if request.until is not None and time.time() >= request.until else False
            if stream.cursor > ends[key]:
                raise FileNotFoundError
            skip = request.skip_bytes
            if skip is not None and ends[key] - stream.cursor > skip:
                stream.cursor = max(stream.cursor, log.cursor_at_tail(SKIP_TO_LINES))
            chunks = log.read(stream.cursor, min(self._turn_bytes(stream), stream.outlet.credit))
        except (EngineError, OSError) as error:
            self._drop(request.stream_id)
            if isinstance(error, FileNotFoundError) or getattr(error, "family", "") == "not_found":
                self._end(request.stream_id, stream.outlet, frames.END, stream.cursor)  # the container was removed
            else:
                self._refuse(request.stream_id, stream.outlet, stream.cursor, error)
            return False
        if chunks:
            self._send(stream, chunks)
            return True
        if not request.follow:
            return self._finish(stream)
        stream.at_end = ends[key]
        return False

    def _turn_bytes(self, stream: _Stream) -> int:
        """What may wait in a socket's outlet: the fewer they are, the more at once."""
        return (
            TURN_BYTES if isinstance(stream.outlet, BrokerOutlet) else max(TURN_BYTES, NEAR_BYTES // len(self._streams))
        )

    def _watch(self, key: tuple[str, str], log: Any) -> None:
        """Before it is asked how long it is: what comes after that is told of."""
        directory = getattr(log, "directory", None)
        if self._watcher is None or directory is None or key in self._watched:
            return
        if self._watcher.add(directory):
            self._watched.add(key)

    def _finish(self, stream: _Stream) -> bool:
        """Everything that was asked for has been sent; False, since no other turn is needed."""
        self._drop(stream.request.stream_id)
        self._end(stream.request.stream_id, stream.outlet, frames.END, stream.cursor)
        return False

    def _send(self, stream: _Stream, chunks: list[Any]) -> None:
        until = stream.request.until
        if until is not None:
            early = [chunk for chunk in chunks if chunk.at < until]
            stream.is_over, chunks = len(early) < len(chunks), early
        end = chunks[-1].end if chunks else stream.cursor
        wanted = [
            chunk
            for chunk in chunks
            if chunk.at >= stream.not_before and _CHANNELS.get(chunk.stream) in stream.request.channels
        ]
        if batch := merged(wanted):
            self._send_batch(stream.request.stream_id, stream.outlet, batch)
        stream.cursor, stream.at_end = end, None

    def _send_batch(self, stream_id: str, outlet: BrokerOutlet | SocketOutlet, batch: list[Frame]) -> None:
        outlet.send(batch)
        if isinstance(outlet, SocketOutlet):
            self._settle(stream_id, outlet)

    def _refuse(self, stream_id: str, outlet: Outlet, cursor: int, error: Exception) -> None:
        self._end(stream_id, outlet, frames.ERROR, cursor, json.dumps(to_wire(error_info(error))).encode())

    def _end(self, stream_id: str, outlet: Outlet, kind: int, cursor: int, data: bytes = b"") -> None:
        outlet.end(Frame(kind, 0, cursor, time.time(), data))
        if isinstance(outlet, SocketOutlet):
            self._settle(stream_id, outlet)

    def _drop(self, stream_id: str) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is None:
            return
        key = _key(stream.request)
        if any(_key(other.request) == key for other in self._streams.values()):
            return
        log = self._logs.pop(key, None)
        if key in self._watched:
            self._watched.discard(key)
            assert self._watcher is not None
            self._watcher.remove(log.directory)


def _key(request: OpenStream) -> tuple[str, str]:
    return request.source, request.container_id


def _first_cursor(log: Any, request: OpenStream) -> int:
    if request.cursor is not None:
        return request.cursor
    tail = 0 if request.tail is None else int(log.cursor_at_tail(request.tail))
    since = 0 if request.since is None else int(log.cursor_since(request.since))
    return max(tail, since)


def merged(chunks: Iterable[Any]) -> list[Frame]:
    """Chunks of the log as frames of at most FRAME_BYTES: neighbours of one channel and (almost) one moment are one."""
    batch: list[Frame] = []
    parts: list[bytes] = []
    size = 0
    for stream, at, cursor, data in _pieces(chunks):
        channel = _CHANNELS.get(stream, stream)
        after = cursor + len(data)
        if (
            batch
            and batch[-1].channel == channel
            and batch[-1].cursor == cursor  # else what lies between was not asked for
            and at - batch[-1].at < MERGE_SECONDS
            and size + len(data) <= frames.FRAME_BYTES
        ):
            parts.append(data)
            size += len(data)
            batch[-1] = Frame(frames.DATA, channel, after, batch[-1].at)
        else:
            if batch:
                batch[-1] = Frame(frames.DATA, batch[-1].channel, batch[-1].cursor, batch[-1].at, b"".join(parts))
            batch.append(Frame(frames.DATA, channel, after, at))
            parts, size = [data], len(data)
    if batch:
        batch[-1] = Frame(frames.DATA, batch[-1].channel, batch[-1].cursor, batch[-1].at, b"".join(parts))
    return batch


def _pieces(chunks: Iterable[Any]) -> Iterator[tuple[Any, float, int, bytes]]:
    """Stream, moment, cursor and data of chunks; of large ones by parts."""
    for chunk in chunks:
        if len(chunk.data) <= frames.FRAME_BYTES:
            yield chunk.stream, chunk.at, chunk.cursor, chunk.data
            continue
        for begin in range(0, len(chunk.data), frames.FRAME_BYTES):
            yield chunk.stream, chunk.at, chunk.cursor + begin, chunk.data[begin : begin + frames.FRAME_BYTES]
