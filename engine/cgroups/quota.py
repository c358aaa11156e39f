"""What all containers and builds of a home may have together: limits of the one group that theirs lie in.

    <hierarchy>/portside-<tag>/               limited here
    <hierarchy>/portside-<tag>/<id>/          a container's
    <hierarchy>/portside-<tag>/builds/<id>/   a step's of a build

The wish is a file in the home, so it outlives processes and boots; `apply` compares the kernel with it and writes what
differs. The kernel's rules: Documentation/admin-guide/cgroup-v1/memory.rst and cgroup-v2.rst, scheduler/sched-bwc.rst.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from engine.cgroups import files
from engine.cgroups.hierarchy import Hierarchy
from engine.cgroups.resources import MINIMUM_CPUS, MINIMUM_MEMORY_BYTES
from engine.cgroups.v1 import cpu as v1_cpu
from engine.cgroups.v1 import memory as v1_memory
from engine.cgroups.v2 import cpu as v2_cpu
from engine.cgroups.v2 import memory as v2_memory
from engine.config import EngineConfig
from engine.errors import Conflict, EngineError, InvalidArgument

_PERIOD = v1_cpu.PERIOD_MICROSECONDS
_UNLIMITED = 1 << 62  # version 1 tells the largest multiple of a page
_SLACK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class HostLimits:
    """None is no limit. `cpus`: 1.5 is one and a half; it may be more than the machine has."""

    memory_bytes: int | None = None
    cpus: float | None = None
    pids: int | None = None

    def check(self) -> None:
        """Raises InvalidArgument with the field's name."""
        least = {"memory_bytes": MINIMUM_MEMORY_BYTES, "cpus": MINIMUM_CPUS, "pids": 1}
        for field, minimum in least.items():
            value = getattr(self, field)
            if value is not None and not (math.isfinite(value) and value >= minimum):
                raise InvalidArgument(
                    f"{field}: a host's limit is at least {minimum}, or none", {"field": field, "minimum": minimum}
                )


@dataclass(frozen=True, slots=True)
class Applied:
    """`wrote`: fields that the kernel had otherwise; `errors`: what it refuses now, to be tried again later."""

    wrote: tuple[str, ...] = ()
    errors: tuple[EngineError, ...] = ()


class Quota:
    """Of one home. Safe for threads and processes: the file is replaced as a whole, and applying twice is as once."""

    def __init__(self, config: EngineConfig, hierarchy: Hierarchy) -> None:
        self._path = config.host_limits
        self._v2 = hierarchy.version == "v2"
        trees = {name: hierarchy.unified if self._v2 else hierarchy.v1.get(name) for name in ("memory", "cpu", "pids")}
        self.groups = {name: tree / config.cgroup_parent for name, tree in trees.items() if tree is not None}

    @property
    def has_rule(self) -> bool:
        """Whether no group may have more processor time than those above (`engine.cgroups.v1.cpu`)."""
        return not self._v2

    @property
    def limits(self) -> HostLimits | None:
        """What is wanted; None if nobody has said anything yet, or the file can't be read."""
        try:
            return HostLimits(**json.loads(self._path.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def keep(self, limits: HostLimits) -> None:
        """From now on, also after a boot. Raises InvalidArgument for what can't be."""
        limits.check()
        if limits == (self.limits or HostLimits()):
            return
        temporary = self._path.with_suffix(f".{os.getpid()}.new")
        with temporary.open("w") as file:
            file.write(json.dumps(asdict(limits)))
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, self._path)

    def is_there(self) -> bool:
        """Whether the group is: it comes with the first container."""
        return all(os.path.isdir(group) for group in self.groups.values())

    def apply(self) -> Applied:
        """Let the kernel have what is wanted, at once for what runs. A group that isn't there gets it when it comes."""
        limits = self.limits
        wrote, errors = [], []
        for field, controller, work in (
            ("pids", "pids", self._pids),
            ("cpus", "cpu", self._cpus),
            ("memory_bytes", "memory", self._memory),
        ):
            group = self.groups.get(controller)
            if limits is None or group is None or not group.is_dir():
                continue
            try:
                if work(group, limits):
                    wrote.append(field)
            except EngineError as error:
                if group.is_dir():  # else it has just been removed
                    errors.append(error)
        return Applied(tuple(wrote), tuple(errors))

    def _pids(self, group: Path, limits: HostLimits) -> bool:
        wanted = "max" if limits.pids is None else str(limits.pids)
        if files.read(group / "pids.max") == wanted:
            return False
        files.write(group / "pids.max", wanted)
        return True

    def _cpus(self, group: Path, limits: HostLimits) -> bool:
        quota = -1 if limits.cpus is None else round(limits.cpus * _PERIOD)
        if self._v2:
            if files.read(group / "cpu.max") == f"{'max' if quota < 0 else quota} {_PERIOD}":
                return False
            v2_cpu.limit(group, quota, _PERIOD)
            return True
        now = int(files.read(group / "cpu.cfs_quota_us") or -1)
        if now == quota:
            return False
        v1_cpu.limit_all(group, quota)
        return True

    def _memory(self, group: Path, limits: HostLimits) -> bool:
        wanted = limits.memory_bytes
        name = "memory.max" if self._v2 else "memory.limit_in_bytes"
        text = files.read(group / name) or "max"
        now = None if text == "max" or int(text) >= _UNLIMITED else int(text)
        page = os.sysconf("SC_PAGE_SIZE")
        if now == (None if wanted is None else wanted // page * page):
            return False
        memory = v2_memory if self._v2 else v1_memory
        try:
            memory.change(group, wanted, None)
        except InvalidArgument as error:
            used = error.detail.get("used")
            if not isinstance(used, int) or wanted is None:
                raise
            # Not more than there is, until the kernel finds its way below.
            if now is None or now > used + _SLACK_BYTES:
                with contextlib.suppress(EngineError):
                    memory.change(group, used + _SLACK_BYTES, None)
            raise Conflict(
                f"containers and builds of this host use {used} bytes of memory just now, which the kernel can't bring "
                f"below the limit of {wanted} that they have together: it is tried again, and they get no more until "
                "then; stop some of them",
                {"field": "memory_bytes", "used": used, "wanted": wanted},
            ) from error
        return True
