"""Usage from version 2 control groups (Linux Documentation/admin-guide/cgroup-v2.rst)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.stats.files import Read, keyed, number, read
from engine.stats.samples import CgroupUsage


def usage(directories: Mapping[str, Path], read: Read = read) -> CgroupUsage:
    """Read the group at `directories["unified"]`; what a missing controller would count is 0."""
    where = str(directories["unified"])
    limit = read(f"{where}/memory.max").strip()
    inactive = keyed(read(f"{where}/memory.stat"), b"inactive_file")
    block_read, block_written = _block(read(f"{where}/io.stat"))
    return CgroupUsage(
        cpu_seconds=keyed(read(f"{where}/cpu.stat"), b"usage_usec") / 1e6,
        memory_bytes=max(0, number(read(f"{where}/memory.current")) - inactive),
        memory_limit_bytes=int(limit) if limit.isdigit() else None,
        pids=number(read(f"{where}/pids.current")),
        block_read_bytes=block_read,
        block_write_bytes=block_written,
    )


def _block(text: bytes) -> tuple[int, int]:
    """Sums over devices of lines such as "8:0 rbytes=4096 wbytes=0 rios=1 …"."""
    sums = {b"rbytes": 0, b"wbytes": 0}
    for field in text.split():
        name, _, value = field.partition(b"=")
        if name in sums:
            sums[name] += int(value)
    return sums[b"rbytes"], sums[b"wbytes"]
