"""Programs that say what they were built of: Go's (debug/buildinfo), without running or loading anything."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator

from engine.build.software.languages import go_module
from engine.build.software.packages import Package

_MAGIC = b"\xff Go buildinf:"
_ALIGNED, _SEGMENT_BYTES, _SEGMENTS = 16, 1 << 20, 64
_LOAD, _WRITABLE, _EXECUTABLE = 1, 2, 1
_INLINE = 2
_FRAME = 16
"""Bytes that Go puts before and after the text of modules."""


def go_program(path: str, descriptor: int) -> Iterator[Package]:
    """The modules of a Go program (1.18 and later), the open file `descriptor`; nothing for others."""
    for offset, size in _data_segments(descriptor):
        data = os.pread(descriptor, min(size, _SEGMENT_BYTES), offset)
        at = data.find(_MAGIC)
        while at >= 0 and at % _ALIGNED:
            at = data.find(_MAGIC, at + 1)
        if at < 0:
            continue
        if at + 33 > len(data) or not data[at + 15] & _INLINE:
            return
        version, place = _text(data, at + 32)
        modules, _ = _text(data, place)
        if version.startswith(b"go"):
            yield Package("golang", "stdlib", version.split()[0].removeprefix(b"go").decode("ascii", "replace"), path)
        yield from _modules(path, modules[_FRAME:-_FRAME].decode("utf-8", "replace"))
        return


def _modules(path: str, text: str) -> Iterator[Package]:
    found: list[tuple[str, str]] = []
    for line in text.splitlines():
        words = line.split("\t")
        if words[0] in ("mod", "dep") and len(words) >= 3:
            found.append((words[1], words[2]))
        elif words[0] == "=>" and len(words) >= 3 and found:  # the one before is replaced
            found[-1] = (words[1], words[2])
    for name, version in found:
        yield go_module(name, "" if version == "(devel)" else version, path)


def _text(data: bytes, at: int) -> tuple[bytes, int]:
    """A text behind its length (a varint), and where it ends."""
    length = shift = 0
    while True:
        byte = data[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80 or shift > 35:
            break
    return data[at : at + length], at + length


def _data_segments(descriptor: int) -> Iterator[tuple[int, int]]:
    """(offset, size) of an ELF program's segments that hold data (elf(5)), of 64 bits and least byte first."""
    head = os.pread(descriptor, 64, 0)
    if len(head) < 64 or head[:6] != b"\x7fELF\x02\x01":
        return
    (start,) = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    if size != 56 or not count:
        return
    table = os.pread(descriptor, size * min(count, _SEGMENTS), start)
    for number in range(len(table) // size):
        kind, flags, offset, _, _, length = struct.unpack_from("<IIQQQQ", table, number * size)
        if kind == _LOAD and flags & _WRITABLE and not flags & _EXECUTABLE:
            yield offset, length
