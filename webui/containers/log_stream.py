"""A container's log, read from its host through the broker: ask, take frames, give credit, close.

    OpenStream ──► host;  frames ◄── host, at most a window ahead of the credit;  Close ──► host

The host trims from the broker's stream what credit was given for, so that a long log never lies there whole.
"""

from __future__ import annotations

import json
import time
import uuid
from codecs import getincrementaldecoder
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import redis

from engine.errors import FAMILIES, EngineError, Unavailable
from webui.broadcast import broker
from webui.containers.models import Container, RemovedContainer
from webui.jobs.dispatch import control_send
from worker.contract import frames, keys
from worker.contract.frames import Frame

FIRST_SECONDS = 10.0
"""How long a host may take until its first frame, and between two when it does not follow."""
STREAMS = ("stdout", "stderr")
CREDIT_EVERY = frames.WINDOW_BYTES // 4
_BLOCK_MILLISECONDS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPosition:
    """Where to begin: `cursor` (bytes) wins over `tail` (lines) and `since` (Unix seconds); all None: the start.

    Where to end: before what was logged at `until` (Unix seconds). `streams`: those of stdout and stderr to be read.
    `skip` (bytes): who follows and is further behind than that goes on with the last lines instead.
    """

    cursor: int | None = None
    tail: int | None = None
    since: float | None = None
    until: float | None = None
    streams: tuple[str, ...] = STREAMS
    skip: int | None = None


def open_message(container_id: str, position: LogPosition, *, follow: bool) -> frames.OpenStream:
    return frames.OpenStream(
        stream_id=uuid.uuid4().hex,
        source="logs",
        container_id=container_id,
        cursor=position.cursor,
        tail=position.tail,
        since=position.since,
        until=position.until,
        channels=tuple(frames.STDOUT if name == "stdout" else frames.STDERR for name in position.streams),
        follow=follow,
        skip_bytes=position.skip,
    )


def host_silent(container: Container | RemovedContainer) -> Unavailable:
    return Unavailable(
        f"the host {container.host.name} does not answer, so nothing can be read from it now: see that its worker runs"
    )


def error_of(frame: Frame) -> EngineError:
    """The error that an ERROR frame carries, of its own family."""
    try:
        info = json.loads(frame.data)
        family, message = str(info["family"]), str(info["message"])
    except (ValueError, KeyError, TypeError):
        return Unavailable("the host could not answer and did not say why: see the worker's output")
    return FAMILIES.get(family, EngineError)(message)


def read_log(container: Container | RemovedContainer, position: LogPosition) -> Iterator[Frame]:
    """Everything from `position` to the present end, as DATA frames and one END.

    Raises Unavailable when the host or the broker is away, and what the host answers.
    """
    yield from read_stream(container, open_message(container.pk, position, follow=False))


def read_stream(container: Container | RemovedContainer, message: frames.OpenStream) -> Iterator[Frame]:
    """All frames of a stream that ends by itself, the END included. Raises as `read_log`."""
    if not container.host.is_online:
        raise host_silent(container)
    if not control_send(container.host_id, message):
        raise Unavailable("the broker can't be reached, so no host can be asked: try again in a moment")
    try:
        yield from _frames(container, message)
    except redis.RedisError as error:
        raise Unavailable("the broker was lost while the host answered: try again in a moment") from error
    finally:
        control_send(container.host_id, frames.CloseStream(stream_id=message.stream_id))


def _frames(container: Container | RemovedContainer, message: frames.OpenStream) -> Iterator[Frame]:
    key, last, consumed, credited, seen = keys.frames(message.stream_id), b"0-0", 0, 0, 0
    deadline = time.monotonic() + FIRST_SECONDS
    while True:
        answer: Any = broker().xread({key: last}, count=16, block=_BLOCK_MILLISECONDS)
        if not answer:
            if time.monotonic() > deadline:
                raise host_silent(container)
            continue
        for entry_id, fields in answer[0][1]:
            last = entry_id
            frame = Frame.decode(fields[b"m"])
            if frame.kind == frames.ERROR:
                raise error_of(frame)
            consumed += len(frame.data)
            frame, seen = unseen(frame, seen), max(seen, frame.cursor)
            yield frame
            if frame.kind == frames.END:
                broker().delete(key)
                return
        if consumed - credited >= CREDIT_EVERY:
            credited = consumed
            control_send(container.host_id, frames.Credit(stream_id=message.stream_id, consumed_bytes=consumed))
        deadline = time.monotonic() + FIRST_SECONDS


def unseen(frame: Frame, seen: int) -> Frame:
    """`frame` without the bytes before the cursor `seen`: after a broker's restart a host may send some twice."""
    repeated = min(len(frame.data), seen - (frame.cursor - len(frame.data)))
    return frame if repeated <= 0 else replace(frame, data=frame.data[repeated:])


class LogText:
    """Turns frames into text without tearing characters apart at the frames' ends.

    Bytes of an unfinished character wait for the next frame of their stream. `cursor` is where a reader that
    has seen all text so far goes on: before such bytes, as long as they are the last that came.
    """

    def __init__(self, cursor: int = 0) -> None:
        make = getincrementaldecoder("utf-8")
        self._decoders = {frames.STDOUT: make("replace"), frames.STDERR: make("replace")}
        self.cursor = self._seen = cursor

    def is_gap_before(self, frame: Frame) -> bool:
        """Whether bytes before this frame were left out, or what came before is not known at all."""
        return frame.cursor - len(frame.data) > self._seen

    def chunk(self, frame: Frame) -> dict[str, Any] | None:
        """A DATA frame as `{"stream", "at", "text"}`; None if it ended no character or came before."""
        if frame.cursor <= self._seen:
            return None
        frame, self._seen = unseen(frame, self._seen), frame.cursor
        decoder = self._decoders[frames.STDERR if frame.channel == frames.STDERR else frames.STDOUT]
        text = decoder.decode(frame.data)
        self.cursor = frame.cursor - len(decoder.getstate()[0])
        if not text:
            return None
        name = "stderr" if frame.channel == frames.STDERR else "stdout"
        return {"stream": name, "at": frame.at, "text": text}
