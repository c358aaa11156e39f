"""Which control group hierarchies this machine has, and where.

v2       one tree for all controllers, at /sys/fs/cgroup
v1       one tree per controller (some share one, such as cpu,cpuacct)
hybrid   v1 trees for the controllers, and a v2 tree (often /sys/fs/cgroup/unified) with few or none of them;
         it still freezes and kills
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from engine.errors import Unsupported

V1_CONTROLLERS = ("memory", "cpu", "cpuacct", "pids", "devices", "blkio", "freezer", "cpuset", "hugetlb")
NEEDED = ("memory", "cpu", "pids")


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """`version` is "v1", "hybrid" or "v2"; `v1` maps controller → mount point; `unified` is the v2 tree's.

    `trees` are all version 1 mount points, those without a controller of ours too.
    """

    version: str
    v1: Mapping[str, Path]
    unified: Path | None
    trees: tuple[Path, ...] = ()

    @classmethod
    def of_this_machine(cls, mountinfo: str | None = None) -> Hierarchy:
        """Read /proc/self/mountinfo (or the text given). Unsupported if no hierarchy is mounted."""
        text = Path("/proc/self/mountinfo").read_text() if mountinfo is None else mountinfo
        v1: dict[str, Path] = {}
        unified: Path | None = None
        trees: list[Path] = []
        for line in text.splitlines():
            before, _, after = line.partition(" - ")
            fields, kind = before.split(), after.split()
            if len(fields) < 5 or fields[3] != "/" or len(kind) < 3:
                continue  # part of a hierarchy that was bound elsewhere, as inside a container
            point = Path(fields[4].replace("\\040", " "))
            if kind[0] == "cgroup2" and unified is None:
                unified = point
            elif kind[0] == "cgroup":
                trees.append(point)
                for option in kind[2].split(","):
                    if option in V1_CONTROLLERS:
                        v1.setdefault(option, point)
        if any(name in v1 for name in NEEDED):
            return cls("hybrid" if unified else "v1", v1, unified, tuple(trees))
        if unified is None:
            raise Unsupported("no control groups are mounted; mount cgroup2 at /sys/fs/cgroup and try again")
        return cls("v2", {}, unified)
