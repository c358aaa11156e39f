"""Frames by a Unix socket in the home, where site and host share one: nothing of them passes the broker.

    site                                             host
      connects to <home>/run/STREAMS_SOCKET
      an OpenStream, JSON on a line ───────────────►
                                              ◄────  each frame with its length before it, until END or ERROR

Who has had enough closes the connection. The socket's own room holds the host back, so there is no credit. A
connection that ends before END or ERROR was broken: open again from the last frame's cursor.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable

from worker.contract import frames
from worker.contract.frames import Frame, OpenStream
from worker.contract.wire import ContractError, from_wire

STREAMS_SOCKET = "streams.sock"
SOURCES = frozenset({"logs", "build"})
"""What comes this way; all else is asked by the broker."""
REQUEST_BYTES = 64 << 10
FRAME_BYTES = 16 << 20
"""No frame is that long: who reads such a length is out of step."""
_LENGTH = struct.Struct("<I")


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
