"""Writes a tar: ustar headers, and pax ones before them for what does not fit (POSIX.1-2017, pax(1)).

Times are whole seconds, as Docker writes them: a fraction would cost a kilobyte for each file.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping

from engine.layers.entry import CHARACTER, DIRECTORY, Entry

BLOCK = 512
_BUFFER_BYTES = 256 << 10
_END = bytes(2 * BLOCK)
_HEADER = struct.Struct("100s8s8s8s12s12s8s1s100s8s32s32s8s8s155s12x")
_MAX_OCTAL_7, _MAX_OCTAL_11 = 0o7777777, 0o77777777777
_SENDFILE_BYTES = 8 << 20


class TarWriter:
    """Writes to the descriptor `out`, blocking. Call `finish` at the end. Raises OSError of the descriptor's."""

    def __init__(self, out: int) -> None:
        self._out = out
        self._buffer = bytearray()

    def header(self, entry: Entry) -> None:
        """One member's header; `entry.size` bytes of data are to follow, by `data` or `copy`, with `pad` after them.

        For a sparse file (`regions` is not None) that is the data of its regions: the map is written here.
        """
        records = _records(entry)
        size, name, data = entry.size, entry.name, b""
        if entry.regions is not None:
            data = _sparse_map(entry)
            records |= {
                b"GNU.sparse.major": b"1",
                b"GNU.sparse.minor": b"0",
                b"GNU.sparse.name": entry.name,
                b"GNU.sparse.realsize": b"%d" % entry.real_size,
            }
            records.pop(b"path", None)
            name = b"GNUSparseFile.0/" + entry.name.rpartition(b"/")[2][:80]
            size += len(data)
            if size > _MAX_OCTAL_11:
                records[b"size"] = b"%d" % size
        if records:
            self._extended(name, records)
        self._add(_packed(entry, name, size))
        self._add(data)

    def data(self, content: bytes) -> None:
        """Some of the member's data."""
        self._add(content)

    def copy(self, source: int, offset: int, size: int) -> None:
        """`size` bytes of the open file `source`; zeros for what it has lost meanwhile."""
        if size <= _BUFFER_BYTES // 4:
            content = os.pread(source, size, offset)
            self._add(content + bytes(size - len(content)))
            return
        self.flush()
        end = offset + size
        while offset < end:
            sent = os.sendfile(self._out, source, offset, min(end - offset, _SENDFILE_BYTES))
            if not sent:
                break
            offset += sent
        while offset < end:
            part = min(end - offset, _BUFFER_BYTES)
            self._add(bytes(part))
            offset += part

    def pad(self, size: int) -> None:
        """Zeros up to a whole block, after `size` bytes of data."""
        if size % BLOCK:
            self._add(bytes(-size % BLOCK))

    def finish(self) -> None:
        self._add(_END)
        self.flush()

    def flush(self) -> None:
        view = memoryview(bytes(self._buffer))
        self._buffer.clear()
        while view:
            view = view[os.write(self._out, view) :]

    def _add(self, content: bytes) -> None:
        self._buffer += content
        if len(self._buffer) >= _BUFFER_BYTES:
            self.flush()

    def _extended(self, name: bytes, records: Mapping[bytes, bytes]) -> None:
        body = b"".join(_record(key, value) for key, value in records.items())
        base = name.rstrip(b"/").rpartition(b"/")[2][:80]
        entry = Entry(kind=b"x", name=b"", mode=0o644, uid=0, gid=0, size=len(body), mtime_ns=0)
        self._add(_packed(entry, b"PaxHeaders.0/" + base, len(body)))
        self._add(body)
        self.pad(len(body))


def _records(entry: Entry) -> dict[bytes, bytes]:
    """What the plain header can't say."""
    records: dict[bytes, bytes] = {}
    if _split(_shown_name(entry, entry.name)) is None:
        records[b"path"] = _shown_name(entry, entry.name)
    if len(entry.link) > 100:
        records[b"linkpath"] = entry.link
    for key, number in ((b"uid", entry.uid), (b"gid", entry.gid)):
        if number > _MAX_OCTAL_7:
            records[key] = b"%d" % number
    if entry.size > _MAX_OCTAL_11:
        records[b"size"] = b"%d" % entry.size
    seconds = entry.mtime_ns // 1_000_000_000
    if not 0 <= seconds <= _MAX_OCTAL_11:
        records[b"mtime"] = b"%d" % seconds
    for name, value in (entry.xattrs or {}).items():
        records[b"SCHILY.xattr." + os.fsencode(name)] = value
    return records


def _record(key: bytes, value: bytes) -> bytes:
    """`LENGTH KEY=VALUE\\n`, where LENGTH counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    if len(str(length)) != len(str(rest)):
        length += 1
    return b"%d %s=%s\n" % (length, key, value)


def _shown_name(entry: Entry, name: bytes) -> bytes:
    return name + b"/" if entry.kind == DIRECTORY and not name.endswith(b"/") else name


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """Prefix and name, as ustar can hold it; None if it can't."""
    if len(name) <= 100:
        return b"", name
    cut = name.find(b"/", len(name) - 101)
    return (name[:cut], name[cut + 1 :]) if 0 < cut <= 155 and cut + 1 < len(name) else None


def _packed(entry: Entry, name: bytes, size: int) -> bytes:
    shown = _shown_name(entry, name)
    prefix, short = _split(shown) or (b"", shown[:100])
    seconds = entry.mtime_ns // 1_000_000_000
    major, minor = entry.device
    header = bytearray(
        _HEADER.pack(
            short,
            b"%07o" % entry.mode,
            b"%07o" % (entry.uid if entry.uid <= _MAX_OCTAL_7 else 0),
            b"%07o" % (entry.gid if entry.gid <= _MAX_OCTAL_7 else 0),
            b"%011o" % (size if size <= _MAX_OCTAL_11 else 0),
            b"%011o" % (seconds if 0 <= seconds <= _MAX_OCTAL_11 else 0),
            b" " * 8,
            entry.kind,
            entry.link[:100],
            b"ustar\x0000",  # magic and version
            b"",
            b"",
            b"%07o" % major,
            b"%07o" % minor,
            prefix,
        )
    )
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


def _sparse_map(entry: Entry) -> bytes:
    """GNU's format 1.0: how many regions, then offset and length of each, a line each, in whole blocks."""
    regions = entry.regions or ()
    text = b"%d\n" % len(regions) + b"".join(b"%d\n%d\n" % region for region in regions)
    return text + bytes(-len(text) % BLOCK)


def device_of(kind: bytes, number: int) -> tuple[int, int]:
    """Major and minor of a device node, (0, 0) for whatever else."""
    return (os.major(number), os.minor(number)) if kind in (CHARACTER, b"4") else (0, 0)
