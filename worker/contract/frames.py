"""Frames: bytes that need no memory in the database, on their way from a host to whoever watches.

A consumer writes an `OpenStream` to the host's control stream; the host answers on the stream's own key:

    site                                    host
      OpenStream(id, source, cursor, …) ────►
                                       ◄────  Frame(data, cursor=…)*        at most `window_bytes` ahead
      Credit(id, bytes consumed so far) ────►
                                       ◄────  Frame(end) or Frame(error)
      Close(id)                        ─────►  (or the host gives up when no credit comes for a minute)

A frame's `cursor` is the position *after* it: reopening with that cursor goes on without gap or repeat. After
a broker's restart a frame may come twice; whoever remembers its last cursor skips what is not beyond it.
Credit counts the bytes of `data`; it is also the sign of life, so a consumer repeats it every 20 seconds even
when nothing came.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.contract.wire import to_wire

DATA, END, ERROR = 1, 2, 3
STDOUT, STDERR = 1, 2
_HEADER = struct.Struct("<BBQd")
HEAD_BYTES = _HEADER.size

WINDOW_BYTES = 1 << 20
FRAME_BYTES = 64 << 10
IDLE_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenStream:
    """`source`: logs, or a question (top, changes, log.outline …): its answer is one frame with JSON, and the end.
    For a question about an image `container_id` is the image's id.

    `cursor` wins over `tail` (lines) and `since` (Unix seconds); `follow` goes on after the end.

    Both `tail` and `since`: the later beginning. Only what was logged before `until` (Unix seconds) comes, and only
    from the streams in `channels`. A follower that is more than `skip_bytes` behind is taken to the last lines.
    A follower without `cursor` is told first where it begins: by a frame of no bytes.

    `parameters`: what a question asks for in particular.
    """

    stream_id: str
    source: str
    container_id: str
    cursor: int | None = None
    tail: int | None = None
    since: float | None = None
    until: float | None = None
    channels: tuple[int, ...] = (STDOUT, STDERR)
    follow: bool = True
    window_bytes: int = WINDOW_BYTES
    skip_bytes: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credit:
    stream_id: str
    consumed_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseStream:
    stream_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSession:
    """Begin a two-way stream; `worker.contract.sessions` says how it goes on.

    `source`: exec, attach, path_stat, copy_out, copy_in, export; image_save, image_load, image_import, for which
    `container_id` is empty.
    """

    session_id: str
    source: str
    container_id: str
    window_bytes: int = 256 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelJob:
    job_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayEvents:
    """The site has everything up to and including `after_seq`, and asks for what follows."""

    after_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """How long (0: not at all) and how many bytes at most the host keeps of the logs of removed containers.

    `memory_bytes`, `cpus` (1.5: one and a half), `pids`: what all containers and builds of the host may have together;
    None is no limit.
    """

    keep_logs_seconds: float
    keep_logs_bytes: int
    memory_bytes: int | None = None
    cpus: float | None = None
    pids: int | None = None


CONTROL_KINDS: dict[str, type] = {
    "session.open": OpenSession,
    "stream.open": OpenStream,
    "stream.credit": Credit,
    "stream.close": CloseStream,
    "job.cancel": CancelJob,
    "events.replay": ReplayEvents,
    "host.settings": HostSettings,
}
_CONTROL_NAMES = {cls: kind for kind, cls in CONTROL_KINDS.items()}


def encode_control(message: Any) -> dict[str, Any]:
    """A message of `CONTROL_KINDS` to its JSON object, `kind` included."""
    return {"kind": _CONTROL_NAMES[type(message)], **to_wire(message)}


@dataclass(frozen=True, slots=True)
class Frame:
    """`channel` is 1 for stdout, 2 for stderr; `at` Unix seconds; an error's `data` is an ErrorInfo as JSON."""

    kind: int
    channel: int
    cursor: int
    at: float
    data: bytes = b""

    def encode(self) -> bytes:
        return self.encode_head() + self.data

    def encode_head(self) -> bytes:
        """All but the data, which follows it."""
        return _HEADER.pack(self.kind, self.channel, self.cursor, self.at)

    @classmethod
    def decode(cls, raw: bytes, begin: int = 0, end: int | None = None) -> Frame:
        """The frame that lies in `raw` from `begin` to `end`."""
        kind, channel, cursor, at = _HEADER.unpack_from(raw, begin)
        return cls(kind, channel, cursor, at, raw[begin + HEAD_BYTES : end])
