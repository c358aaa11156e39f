"""The bench's own place: a network and a mount namespace for it and all that it starts.

dockerd rewrites the machine's packet filter and forwarding, and Debian's crun refuses hybrid cgroups while the
unified tree is mounted; here both meet a machine of their own, and nothing is left when the bench is over.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

INSIDE = "PORTSIDE_BENCH_INSIDE"


def enter(module: str = "bench") -> None:
    """Start `python -m module` again inside the namespaces, once; returns only there. Exits where it isn't root."""
    if os.environ.get(INSIDE) == "1":
        settle()
        return
    if os.geteuid() != 0:
        sys.exit("The bench starts containers and network namespaces: run it as root.")
    os.environ[INSIDE] = "1"
    command = ["unshare", "--net", "--mount", "--propagation", "private", sys.executable, "-m", module]
    os.execvp("unshare", [*command, *sys.argv[1:]])


def settle() -> None:
    """Loopback up; /sys shows this namespace's links, with the machine's cgroups, without a second tree if hybrid."""
    _do("ip", "link", "set", "lo", "up")
    cgroups = tempfile.mkdtemp(prefix="portside-bench-cgroup-")
    _do("mount", "--rbind", "/sys/fs/cgroup", cgroups)
    # Whatever reads the table of mounts must not find the machine's own, hidden behind the new ones.
    _do("umount", "--recursive", "--lazy", "/sys")
    _do("mount", "-t", "sysfs", "sysfs", "/sys")
    _do("mount", "--rbind", cgroups, "/sys/fs/cgroup")
    _do("umount", "-l", cgroups)
    Path(cgroups).rmdir()
    if Path("/sys/fs/cgroup/memory").exists() and Path("/sys/fs/cgroup/unified").exists():
        _do("umount", "-l", "/sys/fs/cgroup/unified")


def _do(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
