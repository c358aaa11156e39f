"""Usage from version 1 control groups (Linux Documentation/admin-guide/cgroup-v1)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.stats.files import Read, keyed, number, read
from engine.stats.samples import CgroupUsage

# Without a limit, the file shows the largest number of whole pages below 2^63.
_UNLIMITED = 1 << 62


def usage(directories: Mapping[str, Path], read: Read = read) -> CgroupUsage:
    """Read the groups at `directories` (controller → path); what a missing controller would count is 0."""
    memory, cpu, pids, block = (str(directories.get(name, "")) for name in ("memory", "cpuacct", "pids", "blkio"))
    used, limit = number(read(f"{memory}/memory.usage_in_bytes")), number(read(f"{memory}/memory.limit_in_bytes"))
    block_read, block_written = _block(read(f"{block}/blkio.throttle.io_service_bytes_recursive"))
    return CgroupUsage(
        cpu_seconds=number(read(f"{cpu}/cpuacct.usage")) / 1e9,
        memory_bytes=max(0, used - keyed(read(f"{memory}/memory.stat"), b"total_inactive_file")),
        memory_limit_bytes=limit if 0 < limit < _UNLIMITED else None,
        pids=number(read(f"{pids}/pids.current")),
        block_read_bytes=block_read,
        block_write_bytes=block_written,
    )


def _block(text: bytes) -> tuple[int, int]:
    """Sums over devices of lines such as "8:0 Read 4096"."""
    sums = {b"Read": 0, b"Write": 0}
    for line in text.splitlines():
        fields = line.split()
        if len(fields) == 3 and fields[1] in sums:
            sums[fields[1]] += int(fields[2])
    return sums[b"Read"], sums[b"Write"]
