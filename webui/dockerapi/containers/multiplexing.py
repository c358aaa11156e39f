"""stdout and stderr in one stream, as Docker carries them: eight bytes before each piece say whose and how long."""

from __future__ import annotations

import struct

_HEAD = struct.Struct(">BxxxI")


def multiplexed(channel: int, data: bytes) -> bytes:
    """A piece of stdout (1) or stderr (2)."""
    return _HEAD.pack(channel, len(data)) + data
