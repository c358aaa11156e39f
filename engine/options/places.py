"""Where in a container something can be mounted: anywhere but on what makes it a container.

What the kernel shows below /sys can be replaced by the host's own at the same place (/sys/fs/bpf of eBPF's tools), and
by anything at /sys/fs/cgroup itself; /dev is the container's own, where no name that programs rely on can be taken.
"""

from __future__ import annotations

_CGROUPS = "/sys/fs/cgroup"
_DEVICES = frozenset(
    ("console", "fd", "full", "null", "ptmx", "pts", "random", "stderr", "stdin", "stdout", "tty", "urandom", "zero")
)


def problem(target: str, source: str = "") -> str:
    """Why nothing can be mounted at `target` (clean, absolute), empty if it can. `source`: the path of a bind's."""
    target = "/" + target.lstrip("/")  # POSIX leaves two of them as they are
    if target == "/" or _lies(target, "/proc"):
        return f"nothing can be mounted at {target}"
    if _lies(target, "/sys") and target not in (_CGROUPS, source):
        return f"nothing can be mounted at {target} but the host's own: {target}:{target}:ro"
    if target == "/dev":
        return (
            "nothing can be mounted at /dev: a privileged container has all devices of the host there, and any other "
            "gets those that it needs by devices"
        )
    if _lies(target, "/dev") and target.split("/")[2] in _DEVICES:
        return f"nothing can be mounted at {target}: each container has its own"
    return ""


def _lies(path: str, directory: str) -> bool:
    return path == directory or path.startswith(f"{directory}/")
