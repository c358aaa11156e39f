"""Whether a worker lives, seen without touching its lock: trying a lock could make its owner's own try fail."""

from __future__ import annotations

import os
from pathlib import Path


def worker_lives(lock: Path) -> bool:
    """Whether any process holds a lock on this file (proc_locks(5): `… MAJOR:MINOR:INODE start end`)."""
    try:
        found = os.stat(lock)
    except FileNotFoundError:
        return False
    wanted = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    with open("/proc/locks") as locks:
        return any(wanted in line.split() and "->" not in line for line in locks)
