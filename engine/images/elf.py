"""Which libraries a program loads, read from its ELF file (gABI chapter 5, ld.so(8)).

Nothing is executed: running `ldd` on a file runs the file.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"\x7fELF"
_PT_LOAD, _PT_DYNAMIC, _PT_INTERP = 1, 2, 3
_DT_NEEDED, _DT_STRTAB, _DT_RPATH, _DT_RUNPATH = 1, 5, 15, 29


@dataclass(frozen=True, slots=True)
class Elf:
    """`kind` is (class, byte order, machine): libraries of another kind are passed over. `needed` are bare names."""

    kind: tuple[int, int, int]
    interpreter: str | None
    needed: tuple[str, ...]
    run_path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Segment:
    type: int
    offset: int
    address: int
    size: int


def read(path: str) -> Elf | None:
    """What the dynamic linker would want to know; None for what is not an ELF file. Raises OSError."""
    with open(path, "rb") as file:
        if file.read(4) != _MAGIC:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _parse(data)
            except (struct.error, IndexError, ValueError):
                return None


def _parse(data: mmap.mmap) -> Elf:
    is_64, order = data[4] == 2, "<" if data[5] == 1 else ">"
    machine = struct.unpack_from(order + "H", data, 18)[0]
    segments = _segments(data, is_64, order)
    kind = (data[4], data[5], machine)
    interpreter = None
    dynamic: list[tuple[int, int]] = []
    for segment in segments:
        content = data[segment.offset : segment.offset + segment.size]
        if segment.type == _PT_INTERP:
            interpreter = os.fsdecode(content.rstrip(b"\0"))
        elif segment.type == _PT_DYNAMIC:
            dynamic = list(struct.iter_unpack(order + ("qQ" if is_64 else "iI"), content))
    table = next((value for tag, value in dynamic if tag == _DT_STRTAB), None)
    if table is None:
        return Elf(kind, interpreter, (), ())
    start = _file_offset(segments, table)

    def text(offset: int) -> str:
        return os.fsdecode(data[start + offset : data.find(b"\0", start + offset)])

    needed = tuple(text(value) for tag, value in dynamic if tag == _DT_NEEDED)
    run_path = [text(value) for tag, value in dynamic if tag == _DT_RUNPATH] or [
        text(value) for tag, value in dynamic if tag == _DT_RPATH
    ]
    return Elf(kind, interpreter, needed, tuple(part for line in run_path for part in line.split(":") if part))


def _segments(data: mmap.mmap, is_64: bool, order: str) -> list[_Segment]:
    if is_64:
        table = struct.unpack_from(order + "Q", data, 32)[0]
        size, count = struct.unpack_from(order + "HH", data, 54)
        rows = (struct.unpack_from(order + "IIQQQQQQ", data, table + i * size) for i in range(count))
        return [_Segment(row[0], row[2], row[3], row[5]) for row in rows]
    table = struct.unpack_from(order + "I", data, 28)[0]
    size, count = struct.unpack_from(order + "HH", data, 42)
    rows = (struct.unpack_from(order + "IIIIIIII", data, table + i * size) for i in range(count))
    return [_Segment(row[0], row[1], row[2], row[4]) for row in rows]


def _file_offset(segments: Sequence[_Segment], address: int) -> int:
    for segment in segments:
        if segment.type == _PT_LOAD and segment.address <= address < segment.address + segment.size:
            return address - segment.address + segment.offset
    raise ValueError("an address outside of the file")


class Linker:
    """Finds libraries where this machine's dynamic linker would: glibc's and musl's places alike."""

    def __init__(self, root: str = "/") -> None:
        self._root = root
        self._default = _default_directories(root)
        self._configured = _configured_directories(root)
        self._known: dict[str, Elf | None] = {}

    def libraries(self, program: str) -> dict[str, bool]:
        """All libraries and the interpreter that `program` needs, directly or not: path → is in a default directory.

        What can't be found is left out. Paths are absolute within the root.
        """
        found: dict[str, bool] = {}
        pending = [program]
        while pending:
            path = pending.pop()
            elf = self.read(path)
            if elf is None:
                continue
            if elf.interpreter is not None and elf.interpreter not in found:
                found[elf.interpreter] = True
            for name in elf.needed:
                library, is_default = self._find(name, elf, path)
                if library is not None and library not in found:
                    found[library] = is_default
                    pending.append(library)
        return found

    def _find(self, name: str, elf: Elf, needed_by: str) -> tuple[str | None, bool]:
        if "/" in name:
            return (name, True) if self._fits(name, elf) else (None, False)
        own = [
            part.replace("${ORIGIN}", "$ORIGIN").replace("$ORIGIN", os.path.dirname(needed_by)) for part in elf.run_path
        ]
        for directories, is_default in ((own, True), (self._default, True), (self._configured, False)):
            for directory in directories:
                path = os.path.normpath(os.path.join(directory, name))
                if self._fits(path, elf):
                    return path, is_default
        return None, False

    def _fits(self, path: str, elf: Elf) -> bool:
        library = self.read(path)
        return library is not None and library.kind == elf.kind

    def read(self, path: str) -> Elf | None:
        """As the function, for a path within the root; None also for what can't be read."""
        if path not in self._known:
            try:
                self._known[path] = read(self._root.rstrip("/") + path)
            except (OSError, ValueError):
                self._known[path] = None
        return self._known[path]


def _default_directories(root: str) -> list[str]:
    base = ["/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib"]
    triplets = []
    for parent in ("lib", "usr/lib"):
        names = sorted(path.name for path in Path(root, parent).glob("*-linux-*") if path.is_dir())
        triplets += [f"/{parent}/{name}" for name in names]
    return triplets + base


def _configured_directories(root: str) -> list[str]:
    """What /etc/ld.so.conf and its usual include name; an image without ld.so.cache must be told of these."""
    found: list[str] = []
    for file in [Path(root, "etc/ld.so.conf"), *sorted(Path(root, "etc/ld.so.conf.d").glob("*.conf"))]:
        try:
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        found += [line.split("#")[0].strip() for line in lines if line.strip().startswith("/")]
    return found
