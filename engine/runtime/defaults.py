"""What every container gets unless it asks for something else: moby's daemon/pkg/oci/defaults.go, or tighter."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

PIDS_LIMIT = 2048
_PROCESSORS = Path("/sys/devices/system/cpu")
SHM_BYTES = 64 * 1024 * 1024
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

MASKED_PATHS = (
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
)
READONLY_PATHS = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")

SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 65535"}
"""Ports below 1024 and ping need no capability: the network namespace is the container's own.

A user namespace has no groups above 65535.
"""

NAMESPACES = ("user", "mount", "uts", "ipc", "pid", "network", "cgroup")
"""No "time", which newest moby has: without offsets it hides nothing, and no exec could borrow memory (ADR 0015)."""


def masked_paths() -> list[str]:
    """`MASKED_PATHS` and each processor's thermal_throttle (GHSA-6fw5-f8r9-fgfm)."""
    return [*MASKED_PATHS, *_throttles(_online())]


def _online() -> bytes:
    """As the kernel lists them; without what Python's own files ask of each file, in the middle of every create."""
    try:
        file = os.open(_PROCESSORS / "online", os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(file, 4096)
        finally:
            os.close(file)
    except OSError:
        return b""


@lru_cache(maxsize=1)
def _throttles(online: bytes) -> list[str]:
    """Looked for again when other processors than these are `online`: they come with it, and go."""
    return sorted(str(path) for path in _PROCESSORS.glob("cpu[0-9]*/thermal_throttle"))


def mounts(shm_bytes: int = SHM_BYTES, *, writable: bool = False, shm: str = "own") -> list[dict[str, Any]]:
    """The file systems of the kernel, in the order in which they are mounted. `writable`: /sys and its groups too.

    `shm`: "own", "shared" (that of whoever shares the IPC namespace) or "none".
    """
    closed = ["nosuid", "noexec", "nodev"]
    memory = {
        "own": [_mount("/dev/shm", "tmpfs", [*closed, "mode=1777", f"size={shm_bytes}"], "shm")],  # noqa: S108
        "shared": [_mount("/dev/shm", "bind", ["bind", *closed], "/dev/shm")],  # noqa: S108
        "none": [],
    }
    read_only = [] if writable else ["ro"]
    return [
        _mount("/proc", "proc", closed),
        _mount("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
        _mount("/dev/pts", "devpts", ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
        *memory[shm],
        _mount("/dev/mqueue", "mqueue", closed),
        _mount("/sys", "sysfs", [*closed, *read_only]),
        _mount("/sys/fs/cgroup", "cgroup", [*closed, *read_only]),
    ]


def _mount(destination: str, kind: str, options: list[str], source: str | None = None) -> dict[str, Any]:
    return {"destination": destination, "type": kind, "source": source or kind, "options": options}
