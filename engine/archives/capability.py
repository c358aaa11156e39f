"""A program's capabilities as an extended attribute (capabilities(7), "File capabilities"; linux/capability.h).

Version 2 speaks of the root of the file system's own user namespace, version 3 names the host's id of another's. In an
archive root is root, whoever it is on the host: version 2.
"""

from __future__ import annotations

CAPABILITY = "security.capability"
_REVISION, _V2, _V3 = 0xFF000000, 0x02000000, 0x03000000
_V2_BYTES, _V3_BYTES = 20, 24


def plain(value: bytes) -> bytes:
    """Version 3 as version 2, others as they are."""
    head = int.from_bytes(value[:4], "little")
    if head & _REVISION != _V3 or len(value) != _V3_BYTES:
        return value
    return (_V2 | head & ~_REVISION).to_bytes(4, "little") + value[4:_V2_BYTES]


def rooted(value: bytes, first: int) -> bytes:
    """Version 2 for a container whose root is `first` on the host; as it is where that is root itself."""
    head = int.from_bytes(value[:4], "little")
    if not first or head & _REVISION != _V2 or len(value) != _V2_BYTES:
        return value
    return (_V3 | head & ~_REVISION).to_bytes(4, "little") + value[4:] + first.to_bytes(4, "little")
