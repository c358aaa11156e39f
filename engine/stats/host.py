"""What the whole host uses, from /proc (proc(5)) and statvfs(3)."""

from __future__ import annotations

import os
from pathlib import Path

from engine.stats.files import read
from engine.stats.samples import HostSample


class HostStats:
    """Looks at the machine and at the file system that holds `home`; remembers its last look at the cores."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._last = (0, 0)

    def sample(self) -> HostSample:
        memory = _meminfo(read("/proc/meminfo"))
        total = memory[b"MemTotal"]
        disk = os.statvfs(self._home if self._home.exists() else "/")
        return HostSample(
            cpu_percent=self._cpu_percent(),
            memory_used_bytes=total - memory.get(b"MemAvailable", memory.get(b"MemFree", 0)),
            memory_total_bytes=total,
            load1=float(read("/proc/loadavg").split()[0]),
            disk_free_bytes=disk.f_bavail * disk.f_frsize,
            disk_total_bytes=disk.f_blocks * disk.f_frsize,
        )

    def _cpu_percent(self) -> float:
        # user nice system idle iowait irq softirq steal; guest times, which follow, are in user and nice.
        ticks = [int(field) for field in read("/proc/stat").partition(b"\n")[0].split()[1:9]]
        idle, total = ticks[3] + ticks[4], sum(ticks)
        (last_idle, last_total), self._last = self._last, (idle, total)
        if not last_total or total <= last_total:
            return 0.0
        busy = (total - last_total) - (idle - last_idle)
        return min(100.0, max(0.0, 100.0 * busy / (total - last_total)))


def _meminfo(text: bytes) -> dict[bytes, int]:
    """Bytes by name, from lines such as "MemTotal: 16 kB"."""
    found = {}
    for line in text.splitlines():
        name, _, value = line.partition(b":")
        fields = value.split()
        if fields:
            found[name] = int(fields[0]) * 1024
    return found
