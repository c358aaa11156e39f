"""From `Resources` to the kernel's files, by whichever version of control groups there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from engine.cgroups.resources import Resources
from engine.cgroups.v1 import blkio as v1_blkio
from engine.cgroups.v1 import cpu as v1_cpu
from engine.cgroups.v1 import cpuset as v1_cpuset
from engine.cgroups.v1 import memory as v1_memory
from engine.cgroups.v1 import pids as v1_pids
from engine.cgroups.v1 import realtime as v1_realtime
from engine.cgroups.v2 import cpu as v2_cpu
from engine.cgroups.v2 import cpuset as v2_cpuset
from engine.cgroups.v2 import io as v2_io
from engine.cgroups.v2 import memory as v2_memory
from engine.cgroups.v2 import pids as v2_pids
from engine.errors import EngineError, InvalidArgument, ResourceExhausted, Unavailable, Unsupported

NO_REAL_TIME_BY_V2 = "control groups of version 2, which this host has, share out no real-time processor time"


def apply(where: Mapping[str, Path], resources: Resources, *, v2: bool) -> None:
    """Set what is given. `where`: controller → the container's directory.

    Raises Unsupported or InvalidArgument with the field's name for what this machine has not.
    """
    _memory(where, resources, v2=v2)
    _processors(where, resources, v2=v2)
    if resources.pids_limit is not None:
        (v2_pids if v2 else v1_pids).limit(where["pids"], resources.pids_limit)
    disks = where.get("io" if v2 else "blkio")
    if resources.blkio_weight is not None:
        with explained("blkio_weight"):
            (v2_io if v2 else v1_blkio).weigh(there(disks, "blkio_weight"), resources.blkio_weight)
    for device, weight in resources.disk_weights:
        with explained("blkio_weight_device"):
            (v2_io if v2 else v1_blkio).weigh_one(there(disks, "blkio_weight_device"), device, weight)
    for kind, device, rate in resources.throttles:
        with explained(f"device_{kind}"):
            (v2_io if v2 else v1_blkio).throttle(there(disks, f"device_{kind}"), kind, device, rate)


def _memory(where: Mapping[str, Path], resources: Resources, *, v2: bool) -> None:
    memory = v2_memory if v2 else v1_memory
    if resources.memory_bytes is not None:
        memory.limit(where["memory"], resources.memory_bytes, resources.memory_swap)
    if resources.memory_reservation is not None:
        with explained("memory_reservation"):
            memory.reserve(where["memory"], resources.memory_reservation)
    if resources.memory_swappiness not in (None, -1):
        if v2:
            raise Unsupported(
                "memory_swappiness: control groups of version 2, which this host has, swap all containers alike; "
                "memory_swap limits how much",
                {"field": "memory_swappiness"},
            )
        with explained("memory_swappiness"):
            v1_memory.swap_readily(where["memory"], int(resources.memory_swappiness or 0))
    if resources.oom_kill_disable:
        if v2:
            raise Unsupported(
                "oom_kill_disable: control groups of version 2, which this host has, always kill what reaches its "
                "memory limit; leave it out",
                {"field": "oom_kill_disable"},
            )
        v1_memory.never_kill(where["memory"])


def _processors(where: Mapping[str, Path], resources: Resources, *, v2: bool) -> None:
    cpu = v2_cpu if v2 else v1_cpu
    if resources.cpus is not None:
        cpu.limit(where["cpu"], round(resources.cpus * cpu.PERIOD_MICROSECONDS), cpu.PERIOD_MICROSECONDS)
    elif resources.cpu_quota is not None or resources.cpu_period is not None:
        with explained("cpu_quota"):
            cpu.limit(where["cpu"], resources.cpu_quota, resources.cpu_period)
    if resources.cpu_shares is not None:
        with explained("cpu_shares"):
            cpu.share(where["cpu"], resources.cpu_shares)
    if resources.cpu_rt_runtime is not None or resources.cpu_rt_period is not None:
        real_time(where["cpu"], resources, v2=v2)
    if resources.wants_cpuset:
        field = "cpuset_cpus" if resources.cpuset_cpus is not None else "cpuset_mems"
        with explained(field):
            cpuset = v2_cpuset if v2 else v1_cpuset
            cpuset.limit(there(where.get("cpuset"), field), resources.cpuset_cpus, resources.cpuset_mems)


def real_time_problem(cpu: Path | None) -> str:
    """Why no container can have a share of real-time processor time; empty if it can.

    `cpu` is the tree of version 1's controller, None where that is version 2's.
    """
    if cpu is None:
        return NO_REAL_TIME_BY_V2
    return "" if v1_realtime.is_here(cpu) else v1_realtime.NOT_HERE


def swap_problem(memory: Path | None) -> str:
    """Why the kernel does not count what a container swaps; empty if it does.

    `memory` is the tree of version 1's controller, None where that is version 2's, which counts wherever there is swap.
    """
    counts = Path("/proc/swaps").exists() if memory is None else (memory / "memory.memsw.limit_in_bytes").exists()
    return "" if counts else "this kernel does not account for swap"


def real_time(directory: Path, resources: Resources, *, v2: bool) -> None:
    """The share of processor time for programs with real-time priority. Raises Unsupported, InvalidArgument."""
    field = "cpu_rt_period" if resources.cpu_rt_runtime is None else "cpu_rt_runtime"
    if v2:
        raise Unsupported(
            f"{field}: {NO_REAL_TIME_BY_V2}: leave it out; ulimits rtprio=99 lets a program take real-time priority",
            {"field": field},
        )
    with explained(field):
        v1_realtime.share(directory, resources.cpu_rt_runtime, resources.cpu_rt_period)


def there(directory: Path | None, field: str) -> Path:
    """The directory of a controller that the field needs. Raises Unsupported if this host has it not."""
    if directory is None:
        raise Unsupported(f"{field}: the controller is not mounted on this host; leave it out", {"field": field})
    return directory


@contextmanager
def explained(field: str) -> Iterator[None]:
    """What the kernel refuses is the fault of the value that was asked for."""
    try:
        yield
    except Unsupported as error:
        raise Unsupported(f"{field}: {error.message}", {"field": field}) from error
    except (Unavailable, ResourceExhausted) as error:
        raise InvalidArgument(f"{field}: the kernel refuses it: {error.message}", {"field": field}) from error
    except EngineError:
        raise
