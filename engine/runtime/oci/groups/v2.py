"""Resources by version 2: Linux Documentation/admin-guide/cgroup-v2.rst.

Where the specification speaks version 1, its numbers are translated as runc and crun do: shares to weight,
memory+swap to swap alone.
"""

from __future__ import annotations

import os

from engine.runtime.oci.groups import device_filter
from engine.runtime.oci.groups.tree import read, write
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.oci.runtime_resources import CPU, BlockIO, DeviceRule, Memory, Resources

R = "linux.resources"


def delegate(directory: str) -> None:
    """Hand every controller down from the root to the group, as far as the kernel lets us."""
    root = directory
    while os.path.exists(f"{os.path.dirname(root)}/cgroup.controllers"):
        root = os.path.dirname(root)
    above = root
    for part in [*directory.removeprefix(root).strip("/").split("/")[:-1], ""]:
        wanted = set(read(f"{above}/cgroup.controllers").split())
        for controller in sorted(wanted - set(read(f"{above}/cgroup.subtree_control").split())):
            try:
                write(f"{above}/cgroup.subtree_control", f"+{controller}", "linux.cgroupsPath")
            except Failure:  # one that can't be had is missed when a limit asks for it
                continue
        above = f"{above}/{part}"


def apply(directory: str, resources: Resources, devices: tuple[DeviceRule, ...] | None) -> None:
    """Set what is given, leave what isn't. `devices` None: the list of devices stays as it is (update)."""
    if resources.memory is not None:
        _memory(directory, resources.memory)
    if resources.cpu is not None:
        _cpu(directory, resources.cpu)
    if resources.pids is not None and resources.pids.limit is not None:
        _set(directory, "pids.max", number(resources.pids.limit or -1), f"{R}.pids.limit")
    if resources.block_io is not None:
        _io(directory, resources.block_io)
    for index, page in enumerate(resources.hugepage_limits):
        _set(directory, f"hugetlb.{page.page_size}.max", str(page.limit), f"{R}.hugepageLimits[{index}]")
    if resources.network is not None and (resources.network.class_id or resources.network.priorities):
        raise Failure("unsupported", f"{R}.network: version 2 control groups have no network classes")
    for name, limits in resources.rdma.items():
        handles = "max" if limits.hca_handles is None else limits.hca_handles
        objects = "max" if limits.hca_objects is None else limits.hca_objects
        _set(directory, "rdma.max", f"{name} hca_handle={handles} hca_object={objects}", f"{R}.rdma[{name!r}]")
    if devices is not None:
        device_filter.attach(directory, devices)
    for key, value in resources.unified.items():
        _set(directory, key, value, f"{R}.unified[{key!r}]")


def _set(directory: str, file: str, value: str, field: str) -> None:
    """One value; a file that isn't there is explained by who does not hand its controller down."""
    path = f"{directory}/{file}"
    if not os.path.exists(path):
        raise Failure("unsupported", f"{field}: {path}: {_why_missing(directory, file.partition('.')[0])}")
    write(path, value, field)


def _why_missing(directory: str, controller: str) -> str:
    above = os.path.dirname(directory)
    while os.path.exists(f"{above}/cgroup.controllers"):
        has = read(f"{above}/cgroup.controllers").split()
        if controller in has and controller not in read(f"{above}/cgroup.subtree_control").split():
            if read(f"{above}/cgroup.procs").strip() and os.path.exists(f"{above}/cgroup.type"):  # the root has none
                return (f"{above} holds processes, so the kernel hands no {controller} controller down from it; "
                        "move them into a group of their own")  # fmt: skip
            return f"{above} does not hand the {controller} controller down"
        above = os.path.dirname(above)
    return "this kernel has no such file"


def number(value: int) -> str:
    return "max" if value < 0 else str(value)


def _memory(directory: str, memory: Memory) -> None:
    if memory.limit is not None:
        used = int(read(f"{directory}/memory.current") or 0)
        if memory.check_before_update and 0 <= memory.limit < used:
            why = f"{memory.limit} is below the {used} bytes in use, and checkBeforeUpdate is set"
            raise Failure("invalid_argument", f"{R}.memory.limit: {why}")
        _set(directory, "memory.max", number(memory.limit), f"{R}.memory.limit")
    if memory.swap is not None:
        swap = memory.swap if memory.swap < 0 else memory.swap - max(memory.limit or 0, 0)
        if swap or os.path.exists(f"{directory}/memory.swap.max"):
            _set(directory, "memory.swap.max", number(swap), f"{R}.memory.swap")
    if memory.reservation is not None:
        _set(directory, "memory.low", number(memory.reservation), f"{R}.memory.reservation")
    for name, asked in (
        ("kernel", memory.kernel), ("kernelTCP", memory.kernel_tcp), ("swappiness", memory.swappiness),
        ("disableOOMKiller", memory.disable_oom_killer or None),
    ):  # fmt: skip
        if asked is not None and asked != -1:
            raise Failure("unsupported", f"{R}.memory.{name}: version 2 control groups have no such setting")


def weight_of(shares: int) -> int:
    """cpu.weight, 1 to 10000, of cpu.shares, 2 to 262144."""
    return 1 + (max(2, min(shares, 262144)) - 2) * 9999 // 262142


def _cpu(directory: str, cpu: CPU) -> None:
    if cpu.shares:
        _set(directory, "cpu.weight", str(weight_of(cpu.shares)), f"{R}.cpu.shares")
    if cpu.quota or cpu.period:
        if cpu.burst is not None and read(f"{directory}/cpu.max.burst").strip() not in ("", "0"):
            _set(directory, "cpu.max.burst", "0", f"{R}.cpu.burst")  # at no moment may it be above the quota
        was = read(f"{directory}/cpu.max").split() or ["max", "100000"]
        quota = number(cpu.quota) if cpu.quota else was[0]
        _set(directory, "cpu.max", f"{quota} {cpu.period or was[1]}", f"{R}.cpu.quota")
    for name, file, value in (
        ("burst", "cpu.max.burst", cpu.burst),
        ("idle", "cpu.idle", cpu.idle),
        ("cpus", "cpuset.cpus", cpu.cpus or None),
        ("mems", "cpuset.mems", cpu.mems or None),
    ):
        if value is not None:
            _set(directory, file, str(value), f"{R}.cpu.{name}")
    for name, asked in (("realtimeRuntime", cpu.realtime_runtime), ("realtimePeriod", cpu.realtime_period)):
        if asked:
            raise Failure("unsupported", f"{R}.cpu.{name}: version 2 control groups have no such setting")


def _io(directory: str, block: BlockIO) -> None:
    bfq = os.path.exists(f"{directory}/io.bfq.weight")
    if block.leaf_weight:
        raise Failure("unsupported", f"{R}.blockIO.leafWeight: version 2 control groups have no such setting")
    if block.weight:
        _weigh(directory, "", block.weight, f"{R}.blockIO.weight", bfq=bfq)
    for index, device in enumerate(block.weight_device):
        field = f"{R}.blockIO.weightDevice[{index}]"
        if device.leaf_weight:
            raise Failure("unsupported", f"{field}.leafWeight: version 2 control groups have no such setting")
        if device.weight:
            _weigh(directory, f"{device.major}:{device.minor} ", device.weight, field, bfq=bfq)
    for name, key, throttles in (
        ("throttleReadBpsDevice", "rbps", block.throttle_read_bps_device),
        ("throttleWriteBpsDevice", "wbps", block.throttle_write_bps_device),
        ("throttleReadIOPSDevice", "riops", block.throttle_read_iops_device),
        ("throttleWriteIOPSDevice", "wiops", block.throttle_write_iops_device),
    ):
        for index, throttle in enumerate(throttles):
            value = f"{throttle.major}:{throttle.minor} {key}={throttle.rate or 'max'}"
            _set(directory, "io.max", value, f"{R}.blockIO.{name}[{index}]")


def _weigh(directory: str, device: str, weight: int, field: str, *, bfq: bool) -> None:
    """`device`: "8:0 " or nothing for all. The specification's 10 to 1000 is 1 to 10000 where BFQ is not there."""
    if bfq:
        _set(directory, "io.bfq.weight", f"{device}{weight}", field)
    else:
        _set(directory, "io.weight", f"{device}{1 + (weight - 10) * 9999 // 990}", field)
