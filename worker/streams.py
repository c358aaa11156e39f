"""Carries logs to whoever watches: one thread for all streams, each held back by its reader's credit.

The thread goes round: it takes what the control stream brought, gives every stream that has credit and
something to say a turn, and sleeps when nobody had a turn. Followers at the end of a log are looked after by
asking each log once per round how long it is, however many follow it.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import redis

from engine.errors import EngineError, Unsupported
from worker.broker import run_through_outages
from worker.contract import frames, keys
from worker.contract.frames import CloseStream, Credit, Frame, OpenStream
from worker.contract.wire import to_wire
from worker.faults import error_info

logger = logging.getLogger(__name__)

# How often followed logs are looked at: often while there is something to see, and less the more there are.
FOLLOW_SECONDS, RESTING_SECONDS, SECONDS_PER_LOG = 0.02, 0.05, 0.001
TURN_BYTES = 4 * frames.FRAME_BYTES
MERGE_SECONDS = 0.005
EXPIRE_SECONDS = 120
SKIP_TO_LINES = 1000
_CHANNELS = {"stdout": frames.STDOUT, "stderr": frames.STDERR}


@dataclass(slots=True)
class _Stream:
    request: OpenStream
    cursor: int
    heard_at: float
    sent: int = 0
    consumed: int = 0
    at_end: int | None = None  # the log's length when everything was sent
    is_over: bool = False  # what comes now was logged at `until` or later
    unread: deque[tuple[bytes, int]] = field(default_factory=deque)  # entry id, `sent` with it

    @property
    def credit(self) -> int:
        return self.request.window_bytes - (self.sent - self.consumed)


class StreamServer:
    """`openers`: by a request's source, from its id to the engine's LogReader, or what reads as one; they raise its
    errors."""

    def __init__(self, client: redis.Redis, openers: Mapping[str, Callable[[str], Any]]) -> None:
        self._client = client
        self._openers = openers
        self._messages: queue.SimpleQueue[OpenStream | Credit | CloseStream | None] = queue.SimpleQueue()
        self._streams: dict[str, _Stream] = {}
        self._logs: dict[tuple[str, str], Any] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="streams", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._messages.put(None)
        self._thread.join(1)

    def handle(self, message: OpenStream | Credit | CloseStream) -> None:
        """Take a control message; called by the control thread."""
        self._messages.put(message)

    def _run(self) -> None:
        run_through_outages("streams", self._stop, self._serve)

    def _serve(self) -> None:
        pause: float | None = 0
        moved_at = 0.0
        while not self._stop.is_set():
            self._take_messages(pause)
            ends: dict[tuple[str, str], int] = {}
            moved = [self._advance(stream, ends) for stream in list(self._streams.values())]
            if any(moved):
                pause, moved_at = 0, time.monotonic()
            else:
                pause = self._pause(time.monotonic() - moved_at)

    def _pause(self, rested_seconds: float) -> float | None:
        """How long to wait for messages: until the next look at the logs, or as long as it takes."""
        if not any(stream.credit > 0 for stream in self._streams.values()):
            return 5 if self._streams else None
        return max(FOLLOW_SECONDS if rested_seconds < 1 else RESTING_SECONDS, SECONDS_PER_LOG * len(self._logs))

    def _take_messages(self, pause: float | None) -> None:
        try:
            self._take(self._messages.get(block=pause != 0, timeout=pause))
            while True:
                self._take(self._messages.get_nowait())
        except queue.Empty:
            pass

    def _take(self, message: OpenStream | Credit | CloseStream | None) -> None:
        if isinstance(message, OpenStream):
            self._open(message)
        elif isinstance(message, CloseStream):
            self._drop(message.stream_id)
        elif isinstance(message, Credit):
            stream = self._streams.get(message.stream_id)
            if stream is not None:
                stream.heard_at = time.monotonic()
                stream.consumed = min(max(stream.consumed, message.consumed_bytes), stream.sent)
                self._forget_read(stream)

    def _forget_read(self, stream: _Stream) -> None:
        """Take from the broker what the reader has consumed."""
        last = None
        while stream.unread and stream.unread[0][1] <= stream.consumed:
            last = stream.unread.popleft()[0]
        if last is not None:
            milliseconds, _, number = last.decode().partition("-")
            self._client.xtrim(
                keys.frames(stream.request.stream_id), minid=f"{milliseconds}-{int(number) + 1}", approximate=False
            )

    def _open(self, request: OpenStream) -> None:
        opener = self._openers.get(request.source)
        if opener is None:
            error = Unsupported(f"This host's worker knows no streams from {request.source!r}.")
            self._end(request.stream_id, frames.ERROR, 0, json.dumps(to_wire(error_info(error))).encode())
            return
        try:
            log = self._logs.get(_key(request)) or opener(request.container_id)
            cursor = _first_cursor(log, request)
        except (EngineError, OSError) as error:
            self._end(request.stream_id, frames.ERROR, 0, json.dumps(to_wire(error_info(error))).encode())
            return
        self._logs[_key(request)] = log
        self._streams[request.stream_id] = _Stream(request, cursor, time.monotonic())

    def _advance(self, stream: _Stream, ends: dict[tuple[str, str], int]) -> bool:
        """Send what one stream may have now; True if it should have another turn at once."""
        request = stream.request
        if time.monotonic() - stream.heard_at > frames.IDLE_SECONDS:
            self._drop(request.stream_id)
            return False
        if stream.is_over:
            return self._finish(stream)
        if stream.credit <= 0:
            return False
        key = _key(request)
        log = self._logs[key]
        try:
            if key not in ends:
                ends[key] = log.end()
            if stream.at_end == ends[key]:
                return self._finish(stream) if request.until is not None and time.time() >= request.until else False
            if stream.cursor > ends[key]:
                raise FileNotFoundError
            skip = request.skip_bytes
            if skip is not None and ends[key] - stream.cursor > skip:
                stream.cursor = max(stream.cursor, log.cursor_at_tail(SKIP_TO_LINES))
            chunks = log.read(stream.cursor, min(TURN_BYTES, stream.credit))
        except (EngineError, OSError) as error:
            self._drop(request.stream_id)
            if isinstance(error, FileNotFoundError) or getattr(error, "family", "") == "not_found":
                self._end(request.stream_id, frames.END, stream.cursor)  # the container was removed
            else:
                data = json.dumps(to_wire(error_info(error))).encode()
                self._end(request.stream_id, frames.ERROR, stream.cursor, data)
            return False
        if chunks:
            self._send(stream, chunks)
            return True
        if not request.follow:
            return self._finish(stream)
        stream.at_end = ends[key]
        return False

    def _finish(self, stream: _Stream) -> bool:
        """Everything that was asked for has been sent; False, since no other turn is needed."""
        self._drop(stream.request.stream_id)
        self._end(stream.request.stream_id, frames.END, stream.cursor)
        return False

    def _send(self, stream: _Stream, chunks: list[Any]) -> None:
        until = stream.request.until
        if until is not None:
            early = [chunk for chunk in chunks if chunk.at < until]
            stream.is_over, chunks = len(early) < len(chunks), early
        end = chunks[-1].end if chunks else stream.cursor
        wanted = [chunk for chunk in chunks if _CHANNELS.get(chunk.stream) in stream.request.channels]
        self._deliver(stream, merged(wanted))
        stream.cursor, stream.at_end = end, None

    def _deliver(self, stream: _Stream, batch: list[Frame]) -> None:
        if not batch:
            return
        key = keys.frames(stream.request.stream_id)
        pipeline = self._client.pipeline(transaction=False)
        for frame in batch:
            pipeline.xadd(key, {"m": frame.encode()})
        pipeline.expire(key, EXPIRE_SECONDS)
        entry_ids: list[Any] = pipeline.execute()
        for frame, entry_id in zip(batch, entry_ids, strict=False):
            stream.sent += len(frame.data)
            stream.unread.append((entry_id, stream.sent))

    def _end(self, stream_id: str, kind: int, cursor: int, data: bytes = b"") -> None:
        key = keys.frames(stream_id)
        pipeline = self._client.pipeline(transaction=False)
        pipeline.xadd(key, {"m": Frame(kind, 0, cursor, time.time(), data).encode()})
        pipeline.expire(key, EXPIRE_SECONDS)
        pipeline.execute()

    def _drop(self, stream_id: str) -> None:
        stream = self._streams.pop(stream_id, None)
        if stream is None:
            return
        key = _key(stream.request)
        if not any(_key(other.request) == key for other in self._streams.values()):
            self._logs.pop(key, None)


def _key(request: OpenStream) -> tuple[str, str]:
    return request.source, request.container_id


def _first_cursor(log: Any, request: OpenStream) -> int:
    if request.cursor is not None:
        return request.cursor
    tail = 0 if request.tail is None else int(log.cursor_at_tail(request.tail))
    since = 0 if request.since is None else int(log.cursor_since(request.since))
    return max(tail, since)


def merged(chunks: Iterable[Any]) -> list[Frame]:
    """Chunks of the log as frames: neighbours of one channel and (almost) one moment become one frame."""
    batch: list[Frame] = []
    parts: list[bytes] = []
    size = 0
    for chunk in chunks:
        channel = _CHANNELS.get(chunk.stream, chunk.stream)
        after = chunk.end
        if (
            batch
            and batch[-1].channel == channel
            and batch[-1].cursor == chunk.cursor  # else what lies between was not asked for
            and chunk.at - batch[-1].at < MERGE_SECONDS
            and size + len(chunk.data) <= frames.FRAME_BYTES
        ):
            parts.append(chunk.data)
            size += len(chunk.data)
            batch[-1] = Frame(frames.DATA, channel, after, batch[-1].at)
        else:
            if batch:
                batch[-1] = Frame(frames.DATA, batch[-1].channel, batch[-1].cursor, batch[-1].at, b"".join(parts))
            batch.append(Frame(frames.DATA, channel, after, chunk.at))
            parts, size = [chunk.data], len(chunk.data)
    if batch:
        batch[-1] = Frame(frames.DATA, batch[-1].channel, batch[-1].cursor, batch[-1].at, b"".join(parts))
    return batch
