"""Other limits for groups that have processes in them: what differs is written, and None takes a limit away."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from engine.cgroups import files
from engine.cgroups.limiting import explained, real_time, there
from engine.cgroups.resources import Resources
from engine.cgroups.v1 import blkio as v1_blkio
from engine.cgroups.v1 import cpu as v1_cpu
from engine.cgroups.v1 import cpuset as v1_cpuset
from engine.cgroups.v1 import memory as v1_memory
from engine.cgroups.v1 import pids as v1_pids
from engine.cgroups.v2 import cpu as v2_cpu
from engine.cgroups.v2 import cpuset as v2_cpuset
from engine.cgroups.v2 import io as v2_io
from engine.cgroups.v2 import memory as v2_memory
from engine.cgroups.v2 import pids as v2_pids

USUAL_WEIGHT = 100
"""Of BFQ and of io.weight (Documentation/block/bfq-iosched.rst, admin-guide/cgroup-v2.rst)."""


def change(where: Mapping[str, Path], old: Resources, new: Resources, *, v2: bool) -> None:
    """Write what differs. `where`: controller → the container's directory.

    Raises `InvalidArgument` or `Unsupported` with the field's name for what the kernel refuses, a memory limit below
    the present use among them. What was written before that stays written: the caller puts it back.
    """
    _memory(where, old, new, v2=v2)
    _processors(where, old, new, v2=v2)
    if new.pids_limit != old.pids_limit:
        (v2_pids if v2 else v1_pids).limit(where["pids"], "max" if new.pids_limit is None else new.pids_limit)
    if new.blkio_weight != old.blkio_weight:
        with explained("blkio_weight"):
            disks = there(where.get("io" if v2 else "blkio"), "blkio_weight")
            (v2_io if v2 else v1_blkio).weigh(disks, new.blkio_weight or USUAL_WEIGHT)
    _rates(where.get("io" if v2 else "blkio"), old, new, v2=v2)


def _memory(where: Mapping[str, Path], old: Resources, new: Resources, *, v2: bool) -> None:
    memory = v2_memory if v2 else v1_memory
    if (new.memory_bytes, new.memory_swap) != (old.memory_bytes, old.memory_swap):
        memory.change(where["memory"], new.memory_bytes, new.memory_swap)
    if new.memory_reservation != old.memory_reservation:
        with explained("memory_reservation"):
            none = 0 if v2 else -1
            memory.reserve(where["memory"], none if new.memory_reservation is None else new.memory_reservation)


def _processors(where: Mapping[str, Path], old: Resources, new: Resources, *, v2: bool) -> None:
    cpu = v2_cpu if v2 else v1_cpu
    if _time(new) != _time(old):
        with explained("cpus" if new.cpus is not None else "cpu_quota"):
            cpu.limit(where["cpu"], *_time(new))
    if new.cpu_shares != old.cpu_shares:
        with explained("cpu_shares"):
            cpu.share(where["cpu"], new.cpu_shares)
    if (new.cpu_rt_runtime, new.cpu_rt_period) != (old.cpu_rt_runtime, old.cpu_rt_period):
        real_time(where["cpu"], new, v2=v2)
    for field, name in (("cpuset_cpus", "cpuset.cpus"), ("cpuset_mems", "cpuset.mems")):
        value = getattr(new, field)
        if value == getattr(old, field):
            continue
        with explained(field):
            directory = there(where.get("cpuset"), field)
            if value is not None:
                files.write(directory / name, value)
            else:
                (v2_cpuset if v2 else v1_cpuset).as_parent(directory, name)


def _rates(disks: Path | None, old: Resources, new: Resources, *, v2: bool) -> None:
    before, after = ({entry[:2]: entry[2] for entry in resources.throttles} for resources in (old, new))
    for kind, device in sorted(before.keys() | after.keys()):
        rate = after.get((kind, device), 0)  # which is none, to the kernel
        if rate != before.get((kind, device), 0):
            with explained(f"device_{kind}"):
                (v2_io if v2 else v1_blkio).throttle(there(disks, f"device_{kind}"), kind, device, rate)


def _time(resources: Resources) -> tuple[int, int]:
    """Quota and period in microseconds; a quota of -1 is none."""
    usual = v1_cpu.PERIOD_MICROSECONDS
    if resources.cpus is not None:
        return round(resources.cpus * usual), usual
    return -1 if resources.cpu_quota is None else resources.cpu_quota, resources.cpu_period or usual
