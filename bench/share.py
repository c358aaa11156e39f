"""Processors for what is measured, on a machine that others use: a control group of the highest weight.

All contenders get the same: the bench with every command and launcher that it starts, and each parent of their
containers. The rest of the machine has what is left over, so a run should be short.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path("/sys/fs/cgroup/cpu")
OWN = "portside-bench-self"
HIGHEST = "262144"  # cpu.shares: Documentation/admin-guide/cgroup-v1


@contextlib.contextmanager
def favoured(parents: list[str]) -> Iterator[None]:
    """`parents`: names of the groups that containers are made in."""
    if not (ROOT / "cpu.shares").exists():
        raise SystemExit("--favoured needs the cpu controller of version 1 control groups")
    for name in (OWN, *parents):
        (ROOT / name).mkdir(exist_ok=True)
        (ROOT / name / "cpu.shares").write_text(HIGHEST)
    (ROOT / OWN / "cgroup.procs").write_text(str(os.getpid()))
    try:
        yield
    finally:
        (ROOT / "cgroup.procs").write_text(str(os.getpid()))
        for name in (OWN, *parents):
            with contextlib.suppress(OSError):
                (ROOT / name).rmdir()
