"""A container's log, read from its host: where to begin, and how its frames become text."""

from __future__ import annotations

import uuid
from codecs import getincrementaldecoder
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from webui.containers.models import Container, RemovedContainer
from webui.links.stream import read_stream, unseen
from worker.contract import frames
from worker.contract.frames import Frame

STREAMS = ("stdout", "stderr")


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


def read_log(container: Container | RemovedContainer, position: LogPosition) -> Iterator[Frame]:
    """Everything from `position` to the present end, as DATA frames and one END.

    Raises Unavailable when the host or the broker is away, and what the host answers.
    """
    yield from read_stream(container.host, open_message(container.pk, position, follow=False))


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
