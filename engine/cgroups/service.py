"""A container's control groups: `<hierarchy>/<parent>/<container id>`, in every tree that this machine has.

The parent has the host's limits (`quota`).
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from engine.cgroups import changing, files, limiting
from engine.cgroups.hierarchy import NEEDED, Hierarchy
from engine.cgroups.quota import Quota
from engine.cgroups.resources import Resources
from engine.cgroups.v1 import cpuset as v1_cpuset
from engine.cgroups.v1 import devices as v1_devices
from engine.cgroups.v1 import freezer as v1_freezer
from engine.cgroups.v1 import memory as v1_memory
from engine.cgroups.v2 import core
from engine.cgroups.v2 import memory as v2_memory
from engine.config import EngineConfig
from engine.errors import EngineError, Unavailable

log = logging.getLogger(__name__)

JOINED_V1 = ("memory", "cpu", "cpuacct", "pids", "devices", "blkio")
DELEGATED_V2 = ("memory", "cpu", "pids", "io", "cpuset")
REMOVE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Entrance:
    """How a process gets into a container's groups.

    `tasks`: version 1 files to write "0" to, which moves the single-threaded writer. (Not cgroup.procs: moving
    a whole process waits for an RCU grace period, 5 to 12 ms; "0" to tasks doesn't: Linux kernel/cgroup/cgroup.c,
    cgroup_procs_write_start.) `unified`: the version 2 directory for clone3's CLONE_INTO_CGROUP, or None.
    `mounts`: (name, directory) of what the container sees below /sys/fs/cgroup; "" is the place itself.
    """

    tasks: tuple[str, ...]
    unified: str | None
    mounts: tuple[tuple[str, str], ...]


class Cgroups:
    """The control groups of this home's containers. Safe for threads and for several processes."""

    def __init__(self, config: EngineConfig, hierarchy: Hierarchy | None = None, *, parent: str | None = None) -> None:
        """`parent`: another path below the hierarchies' roots than that of containers."""
        self.hierarchy = hierarchy or Hierarchy.of_this_machine()
        self.version = self.hierarchy.version
        self.parent = parent or config.cgroup_parent
        self.quota = Quota(config, self.hierarchy)
        self._inner = config.build_cgroup.removeprefix(f"{self.parent}/")
        self._trees: dict[str, Path] = {}  # v1 controller → its tree, those that share one only once
        for name in (*JOINED_V1, *(() if self.hierarchy.unified else ("freezer",))):
            if name in self.hierarchy.v1:
                self._trees[name] = self.hierarchy.v1[name]
        self._cpuset = self.hierarchy.v1.get("cpuset")
        self._named = [(tree.name, str(tree)) for tree in dict.fromkeys(self._trees.values())]
        self._parents = {name: tree / self.parent for name, tree in self._trees.items()}
        joined = list(dict.fromkeys(self._parents.values()))
        if self.hierarchy.unified is not None:
            joined.append(self.hierarchy.unified / self.parent)
        self._joined = [os.fspath(parent) for parent in joined]
        """What every container has a group in."""
        # Nothing of ours is there, but other runtimes make groups in every tree.
        self._strange = [tree / self.parent for tree in self.hierarchy.trees if tree not in self._trees.values()]

    @property
    def real_time_problem(self) -> str:
        """Why `cpu_rt_runtime` and `cpu_rt_period` can't be had on this host; empty if they can."""
        return limiting.real_time_problem(self._trees.get("cpu"))

    @property
    def swap_problem(self) -> str:
        """Why `memory_swap` can't limit anything on this host; empty if it can."""
        return limiting.swap_problem(self._trees.get("memory"))

    def create(self, container_id: str, resources: Resources) -> None:
        """Make the groups and set the limits; what is there already is used. Raises before anything is made."""
        resources.check()
        is_first = self.version == "v2" and not self.quota.is_there()
        if self.version == "v2":
            self._delegate()
        try:
            for parent in self._joined:
                is_first = files.make(f"{parent}/{container_id}") or is_first
            if is_first:  # after a boot, or somebody has removed it
                for error in self.quota.apply().errors:
                    log.warning("the host's limits: %s", error.message)
            if resources.wants_cpuset and self._cpuset is not None:
                files.make(self._cpuset / self.parent / container_id)
            where = self.directories(container_id)
            limiting.apply(where, resources, v2=self.version == "v2")
            if "devices" in self._trees and not resources.all_devices:
                v1_devices.restrict(where["devices"], resources.device_rules)
        except BaseException:
            self.remove(container_id)
            raise

    def change(self, container_id: str, old: Resources, new: Resources) -> None:
        """Other limits for a container that runs; put back as they were when one can't be had.

        Raises InvalidArgument or Unsupported with the field's name.
        """
        new.check()
        self._join_cpuset(container_id, new)
        where, v2 = self.directories(container_id), self.version == "v2"
        try:
            changing.change(where, old, new, v2=v2)
        except BaseException:
            with contextlib.suppress(EngineError):
                changing.change(where, new, old, v2=v2)
            raise

    def _join_cpuset(self, container_id: str, resources: Resources) -> None:
        """Version 1's cpuset has a group for those only who ask for processors; who asks now is moved into one."""
        if not resources.wants_cpuset or self._cpuset is None:
            return
        directory = self._cpuset / self.parent / container_id
        if directory.exists():
            return
        files.make(directory)
        v1_cpuset.limit(directory, None, None)
        moved: set[int] = set()
        while left := set(self.pids(container_id)) - moved:  # a new process is born where its parent is
            for pid in left:
                with contextlib.suppress(Unavailable):  # it has just ended
                    files.write(directory / "cgroup.procs", pid)
            moved |= left

    def _delegate(self) -> None:
        root = self.hierarchy.unified
        assert root is not None
        core.delegate(root, DELEGATED_V2, NEEDED)
        place = root
        for name in self.parent.split("/"):
            place /= name
            place.mkdir(exist_ok=True)
            core.delegate(place, DELEGATED_V2, NEEDED)

    def _all(self, container_id: str) -> list[str]:
        """All that a container may be in; only who asks for certain processors has a group of version 1's cpuset."""
        cpuset = [] if self._cpuset is None else [f"{self._cpuset}/{self.parent}/{container_id}"]
        return [*(f"{parent}/{container_id}" for parent in self._joined), *cpuset]

    def directories(self, container_id: str) -> dict[str, Path]:
        """Controller → directory, for reading; "unified" is the version 2 one. On v2 all controllers share it."""
        found = {name: parent / container_id for name, parent in self._parents.items()}
        if self._cpuset is not None and os.path.isdir(f"{self._cpuset}/{self.parent}/{container_id}"):
            found["cpuset"] = self._cpuset / self.parent / container_id
        if self.hierarchy.unified is not None:
            unified = self.hierarchy.unified / self.parent / container_id
            found["unified"] = unified
            if self.version == "v2":
                found.update(dict.fromkeys(("memory", "cpu", "pids", "io", "cpuset"), unified))
        return found

    def entrance(self, container_id: str) -> Entrance:
        """What the runtime needs to put a new container's first process into its groups."""
        parent = f"{self.parent}/{container_id}"
        unified = f"{self.hierarchy.unified}/{parent}" if self.hierarchy.unified else None
        trees = self._named
        if self._cpuset is not None and os.path.isdir(f"{self._cpuset}/{parent}"):
            trees = [*trees, (self._cpuset.name, str(self._cpuset))]
        mounts = [(name, f"{tree}/{parent}") for name, tree in trees]
        if unified is not None:
            mounts.append(("" if self.version == "v2" else "unified", unified))
        return Entrance(tuple(f"{tree}/{parent}/tasks" for _, tree in trees), unified, tuple(mounts))

    def whole(self, entrance: Entrance) -> tuple[tuple[str, str], ...]:
        """The `mounts` of who has no namespace of groups: all of version 2's tree, as Docker shows it.

        Version 1's trees show the container's own groups to everybody.
        """
        if self.version != "v2":
            return entrance.mounts
        return (("", str(self.hierarchy.unified)),)

    def join_files(self, container_id: str) -> list[Path]:
        """The files that a process writes its pid to, to be moved into the container's groups."""
        return [Path(directory) / "cgroup.procs" for directory in self._all(container_id) if os.path.exists(directory)]

    def freeze(self, container_id: str, timeout_seconds: float = 5.0) -> None:
        """Stop every process; returns once all stand still. Unavailable if one doesn't in time (then thawed)."""
        directory, freezer = self._freezer(container_id)
        freezer.freeze(directory)
        deadline = time.monotonic() + timeout_seconds
        while not freezer.is_frozen(directory):
            if time.monotonic() > deadline:
                freezer.thaw(directory)
                raise Unavailable("the container's processes did not stop in time; try again")
            time.sleep(0.001)

    def thaw(self, container_id: str) -> None:
        """Let the processes of a frozen container run on; harmless if it isn't frozen."""
        directory, freezer = self._freezer(container_id)
        freezer.thaw(directory)

    def is_frozen(self, container_id: str) -> bool:
        directory, freezer = self._freezer(container_id)
        return directory.exists() and freezer.is_frozen(directory)

    def _freezer(self, container_id: str) -> tuple[Path, _Freezer]:
        where = self.directories(container_id)
        if "unified" in where:  # has no controller in hybrid, but freezes, and its frozen can be killed
            return where["unified"], _UNIFIED
        return where["freezer"], _V1

    def oom_kills(self, container_id: str) -> int:
        """How many processes the kernel killed for the memory limit; 0 once the group is removed."""
        parent = self.hierarchy.unified / self.parent if self.version == "v2" and self.hierarchy.unified else None
        directory = (parent or self._parents["memory"]) / container_id
        return v2_memory.oom_kills(directory) if self.version == "v2" else v1_memory.oom_kills(directory)

    def pids(self, container_id: str) -> list[int]:
        """The processes in the container, as the host numbers them."""
        where = self.directories(container_id)
        text = files.read(where.get("pids", where.get("unified", Path())) / "cgroup.procs") or ""
        return [int(line) for line in text.split()]

    def processes(self, container_id: str) -> list[int]:
        """Those in groups that the container has made for itself too. As the host numbers them."""
        where = self.directories(container_id)
        found: list[int] = []
        for directory, _, _ in os.walk(where.get("pids", where.get("unified", Path()))):
            found += map(int, (files.read(Path(directory) / "cgroup.procs") or "").split())
        return found

    def list(self) -> list[str]:
        """The ids that have a group in any tree."""
        ids: set[str] = set()
        for directory in self._all("."):
            with contextlib.suppress(FileNotFoundError):
                ids.update(entry.name for entry in os.scandir(directory) if entry.is_dir())
        return sorted(ids - {self._inner})

    def kill(self, container_id: str) -> None:
        """Send SIGKILL to every process, thawed first where a frozen one would not die."""
        if not any(os.path.exists(directory) for directory in self._all(container_id)):
            return
        where = self.directories(container_id)
        if "freezer" in where and where["freezer"].exists():
            v1_freezer.thaw(where["freezer"])
        if "unified" in where and where["unified"].exists() and core.kill(where["unified"]):
            return
        for pid in self.pids(container_id):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def remove(self, container_id: str) -> None:
        """Kill what is left and remove the groups; nothing to do is fine. Unavailable if one stays busy."""
        deadline = time.monotonic() + REMOVE_SECONDS
        pause = 0.0005
        while busy := [path for path in self._found(container_id) if not _removed(path)]:
            if time.monotonic() > deadline:
                raise Unavailable(f"{busy[0]} is still in use; try again")
            self.kill(container_id)
            time.sleep(pause)
            pause = min(pause * 2, 0.05)

    def _found(self, container_id: str) -> Iterator[str]:
        """Ours, and then those of other runtimes: what is killed with ours may just be making the first of them."""
        yield from self._all(container_id)
        yield from (f"{parent}/{container_id}" for parent in self._strange if os.path.exists(parent))

    def remove_parent(self) -> None:
        """Remove this home's own group, once no container is left; for those who give a home up."""
        for directory in (*self._all(""), *map(str, self._strange)):
            with contextlib.suppress(OSError):
                os.rmdir(directory)


class _Freezer(NamedTuple):
    freeze: Callable[[Path], None]
    thaw: Callable[[Path], None]
    is_frozen: Callable[[Path], bool]


_UNIFIED = _Freezer(core.freeze, core.thaw, core.is_frozen)
_V1 = _Freezer(v1_freezer.freeze, v1_freezer.thaw, v1_freezer.is_frozen)


def _removed(path: str) -> bool:
    """Remove the group and those that its processes made below it; False while a process is inside."""
    with contextlib.suppress(OSError):  # most often nothing is below it
        os.rmdir(path)
        return True
    try:
        for below, _, _ in os.walk(path, topdown=False):
            os.rmdir(below)
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno == errno.EBUSY:
            return False
        raise
    return True
