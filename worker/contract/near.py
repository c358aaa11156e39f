"""Frames by a Unix socket in the home, where site and host share one: nothing of them passes the broker.

    site                                             host
      connects to <home>/run/STREAMS_SOCKET
      an OpenStream, JSON on a line ───────────────►
                                              ◄────  each frame with its length before it, until END or ERROR

Who has had enough closes the connection. The socket's own room holds the host back, so there is no credit. A
connection that ends before END or ERROR was broken: open again from the last frame's cursor.

Sessions (`worker.contract.sessions`) have a socket of their own, SESSIONS_SOCKET, where frames go both ways:

      an OpenNear or a JoinNear, JSON on a line ───►
      DATA, CREDIT, RESIZE, END, CLOSE, LEAVE  ────►
                                              ◄────  OPENED, DATA, CREDIT, END or ERROR

Windows and credit are as by the broker. A connection that ends leaves the session to who comes again with a JoinNear of
the same owner: OPENED comes again, then what is beyond `taken`. The host has nothing to say after END or ERROR, and one
that ends without was lost with its worker.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from worker.contract import frames
from worker.contract.frames import Frame, OpenSession, OpenStream
from worker.contract.wire import ContractError, from_wire, to_wire

STREAMS_SOCKET, SESSIONS_SOCKET = "streams.sock", "sessions.sock"
SOURCES = frozenset({"logs", "build"})
"""What comes this way; all else is asked by the broker."""
SESSION_SOURCES = frozenset({"exec", "attach"})
"""Sessions that come this way."""
REQUEST_BYTES = 64 << 10
SESSION_REQUEST_BYTES = 4 << 20
"""A command with its environment, as JSON writes it."""
FRAME_BYTES = 16 << 20
"""No frame is that long: who reads such a length is out of step."""
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenNear:
    """A new session. `owner`: whoever names the same may join it."""

    session: OpenSession
    parameters: Mapping[str, Any]
    owner: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinNear:
    """One that was opened before, of whose output `taken` bytes are known."""

    session_id: str
    owner: str
    taken: int = 0


def encode_session_request(message: OpenNear | JoinNear) -> bytes:
    return json.dumps(to_wire(message), separators=(",", ":")).encode() + b"\n"


def decode_session_request(line: bytes) -> OpenNear | JoinNear:
    """Raises ContractError."""
    try:
        data = json.loads(line)
        cls: type[OpenNear | JoinNear] = OpenNear if isinstance(data, dict) and "session" in data else JoinNear
        return from_wire(cls, data)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"no request for a session: {error}") from error


def encode_request(message: OpenStream) -> bytes:
    return json.dumps(frames.encode_control(message), separators=(",", ":")).encode() + b"\n"


def decode_request(line: bytes) -> OpenStream:
    """Raises ContractError."""
    try:
        return from_wire(OpenStream, json.loads(line))
    except (ValueError, RecursionError) as error:
        raise ContractError(f"no request for a stream: {error}") from error


def encode(batch: Iterable[Frame]) -> bytes:
    parts: list[bytes] = []
    for frame in batch:
        raw = frame.encode_head()
        parts += (_LENGTH.pack(len(raw) + len(frame.data)), raw, frame.data)
    return b"".join(parts)


class Decoder:
    """Takes bytes as they come and gives the frames that are whole."""

    def __init__(self) -> None:
        self._rest = b""

    def take(self, data: bytes) -> list[Frame]:
        """Raises ContractError for what is not ours."""
        if self._rest:
            data = self._rest + data
        found: list[Frame] = []
        begin = 0
        while len(data) - begin >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(data, begin)
            if not frames.HEAD_BYTES <= size <= FRAME_BYTES:
                raise ContractError(f"a frame of {size} bytes: see that site and worker are of one version")
            end = begin + _LENGTH.size + size
            if end > len(data):
                break
            found.append(Frame.decode(data, begin + _LENGTH.size, end))
            begin = end
        self._rest = data[begin:]
        return found
