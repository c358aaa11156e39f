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
        write(f"{directory}/pids.max", number(resources.pids.limit or -1), f"{R}.pids.limit")
    if resources.block_io is not None:
        _io(directory, resources.block_io)
    for index, page in enumerate(resources.hugepage_limits):
        write(f"{directory}/hugetlb.{page.page_size}.max", str(page.limit), f"{R}.hugepageLimits[{index}]")
    if resources.network is not None and (resources.network.class_id or resources.network.priorities):
        raise Failure("unsupported", f"{R}.network: version 2 control groups have no network classes")
    for name, limits in resources.rdma.items():
        handles = "max" if limits.hca_handles is None else limits.hca_handles
        objects = "max" if limits.hca_objects is None else limits.hca_objects
        write(f"{directory}/rdma.max", f"{name} hca_handle={handles} hca_object={objects}", f"{R}.rdma[{name!r}]")
    if devices is not None:
        device_filter.attach(directory, devices)
    for key, value in resources.unified.items():
        write(f"{directory}/{key}", value, f"{R}.unified[{key!r}]")


def number(value: int) -> str:
    return "max" if value < 0 else str(value)


def _memory(directory: str, memory: Memory) -> None:
    if memory.limit is not None:
        write(f"{directory}/memory.max", number(memory.limit), f"{R}.memory.limit")
    if memory.swap is not None:
        swap = memory.swap if memory.swap < 0 else memory.swap - max(memory.limit or 0, 0)
        if swap or os.path.exists(f"{directory}/memory.swap.max"):
            write(f"{directory}/memory.swap.max", number(swap), f"{R}.memory.swap")
    if memory.reservation is not None:
        write(f"{directory}/memory.low", number(memory.reservation), f"{R}.memory.reservation")
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
        write(f"{directory}/cpu.weight", str(weight_of(cpu.shares)), f"{R}.cpu.shares")
    if cpu.quota or cpu.period:
        quota = number(cpu.quota or -1)
        write(f"{directory}/cpu.max", f"{quota} {cpu.period or 100_000}", f"{R}.cpu.quota")
    for name, file, value in (
        ("burst", "cpu.max.burst", cpu.burst),
        ("idle", "cpu.idle", cpu.idle),
        ("cpus", "cpuset.cpus", cpu.cpus or None),
        ("mems", "cpuset.mems", cpu.mems or None),
    ):
        if value is not None:
            write(f"{directory}/{file}", str(value), f"{R}.cpu.{name}")
    for name, asked in (("realtimeRuntime", cpu.realtime_runtime), ("realtimePeriod", cpu.realtime_period)):
        if asked:
            raise Failure("unsupported", f"{R}.cpu.{name}: version 2 control groups have no such setting")


def _io(directory: str, block: BlockIO) -> None:
    if block.weight:
        if os.path.exists(f"{directory}/io.bfq.weight"):
            write(f"{directory}/io.bfq.weight", str(block.weight), f"{R}.blockIO.weight")
        else:  # 10 to 1000 there, 1 to 10000 here
            write(f"{directory}/io.weight", str(1 + (block.weight - 10) * 9999 // 990), f"{R}.blockIO.weight")
    if block.leaf_weight:
        raise Failure("unsupported", f"{R}.blockIO.leafWeight: version 2 control groups have no such setting")
    for index, device in enumerate(block.weight_device):
        value = f"{device.major}:{device.minor} {device.weight}"
        write(f"{directory}/io.bfq.weight", value, f"{R}.blockIO.weightDevice[{index}]")
    for name, key, throttles in (
        ("throttleReadBpsDevice", "rbps", block.throttle_read_bps_device),
        ("throttleWriteBpsDevice", "wbps", block.throttle_write_bps_device),
        ("throttleReadIOPSDevice", "riops", block.throttle_read_iops_device),
        ("throttleWriteIOPSDevice", "wiops", block.throttle_write_iops_device),
    ):
        for index, throttle in enumerate(throttles):
            value = f"{throttle.major}:{throttle.minor} {key}={throttle.rate}"
            write(f"{directory}/io.max", value, f"{R}.blockIO.{name}[{index}]")
