"""Unpack a tar the way the engine does, and look at what it made."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path
from tarfile import TarInfo

from engine.layers.limits import Limits
from engine.layers.unpack import Unpacked, Unpacking
from tests.support.oci_layout import tar_of


def unpack(where: Path, blob: bytes, limits: Limits | None = None) -> Unpacked:
    """Unpack a complete blob into `where`/fs, which is made."""
    file, target = where / "blob", where / "fs"
    file.write_bytes(blob)
    target.mkdir()
    with Unpacking(file, target, limits) as unpacking:
        unpacking.grow(len(blob), is_complete=True)
        while (result := unpacking.poll(5)) is None:
            pass
    return result


def unpack_members(where: Path, members: Iterable[tuple[TarInfo, bytes]], limits: Limits | None = None) -> Path:
    """Unpack a gzip of these members; gives the directory with the files."""
    unpack(where, gzip.compress(tar_of(members), 1), limits)
    return where / "fs"


def pid_of(unpacking: Unpacking) -> int:
    """Its process id, -1 once it is gone."""
    facts = Path(f"/proc/self/fdinfo/{unpacking.pidfd}").read_text()
    return int(next(line for line in facts.splitlines() if line.startswith("Pid:")).split()[1])


def is_gone(pid: int) -> bool:
    """Whether the process has ended, collected or not."""
    try:
        return "(zombie)" in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def parent_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("PPid:")).split()[1])
