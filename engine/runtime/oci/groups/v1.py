"""Resources by version 1: Linux Documentation/admin-guide/cgroup-v1.

Each function takes a controller's directory; a limit whose controller is not mounted is refused by its field.
"""

from __future__ import annotations

import os

from engine.runtime.oci.groups import v2
from engine.runtime.oci.groups.tree import Tree, read, write
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.oci.runtime_resources import CPU, BlockIO, DeviceRule, Memory, Resources

R = "linux.resources"


def apply(tree: Tree, resources: Resources, devices: tuple[DeviceRule, ...] | None) -> None:
    """Set what is given, leave what isn't. `devices` None: the list of devices stays as it is (update)."""

    def at(controller: str, field: str) -> str:
        try:
            return tree.v1[controller]
        except KeyError:
            raise Failure("unsupported", f"{field}: this machine has no {controller} control group") from None

    if resources.memory is not None:
        _memory(at("memory", f"{R}.memory"), resources.memory)
    if resources.cpu is not None:
        _cpu(at("cpu", f"{R}.cpu"), resources.cpu)
        if resources.cpu.cpus or resources.cpu.mems:
            _cpuset(at("cpuset", f"{R}.cpu.cpus"), resources.cpu)
    if resources.pids is not None and resources.pids.limit is not None:
        limit = resources.pids.limit
        write(f"{at('pids', f'{R}.pids')}/pids.max", str(limit) if limit > 0 else "max", f"{R}.pids.limit")
    if resources.block_io is not None:
        _block_io(at("blkio", f"{R}.blockIO"), resources.block_io)
    _huge_pages(tree, resources)
    if resources.network is not None:
        if resources.network.class_id is not None:
            field = f"{R}.network.classID"
            write(f"{at('net_cls', field)}/net_cls.classid", str(resources.network.class_id), field)
        for index, entry in enumerate(resources.network.priorities):
            field = f"{R}.network.priorities[{index}]"
            write(f"{at('net_prio', field)}/net_prio.ifpriomap", f"{entry.name} {entry.priority}", field)
    for name, limits in resources.rdma.items():
        field = f"{R}.rdma[{name!r}]"
        handles = "max" if limits.hca_handles is None else limits.hca_handles
        objects = "max" if limits.hca_objects is None else limits.hca_objects
        write(f"{at('rdma', field)}/rdma.max", f"{name} hca_handle={handles} hca_object={objects}", field)
    if devices is not None:
        _devices(at("devices", f"{R}.devices"), devices)
    if resources.unified:
        raise Failure("unsupported", f"{R}.unified: controllers are version 1 on this machine")


def _huge_pages(tree: Tree, resources: Resources) -> None:
    """On a hybrid machine what version 1 doesn't have may be version 2's."""
    if not resources.hugepage_limits:
        return
    directory, suffix = tree.v1.get("hugetlb"), "limit_in_bytes"
    if directory is None and tree.unified:
        v2.delegate(tree.unified)
        directory, suffix = tree.unified, "max"
    for index, page in enumerate(resources.hugepage_limits):
        field = f"{R}.hugepageLimits[{index}]"
        if directory is None:
            raise Failure("unsupported", f"{field}: this machine has no hugetlb control group")
        write(f"{directory}/hugetlb.{page.page_size}.{suffix}", str(page.limit), field)


def _memory(directory: str, memory: Memory) -> None:
    limit = memory.limit
    swap = -1 if limit == -1 and memory.swap is None else memory.swap  # the sum of what has no limit has none
    with_swap = f"{directory}/memory.memsw.limit_in_bytes"
    plain = f"{directory}/memory.limit_in_bytes"
    if swap is not None and not os.path.exists(with_swap) and swap not in (-1, limit):
        raise Failure("unsupported", f"{R}.memory.swap: this kernel does not account for swap")
    used = int(read(f"{directory}/memory.usage_in_bytes") or 0)
    if memory.check_before_update and limit is not None and 0 <= limit < used:
        why = f"{limit} is below the {used} bytes in use, and checkBeforeUpdate is set"
        raise Failure("invalid_argument", f"{R}.memory.limit: {why}")
    values = []
    if limit is not None:
        values.append((plain, limit, "limit"))
    if swap is not None and os.path.exists(with_swap):
        values.append((with_swap, swap, "swap"))
    # The kernel wants limit ≤ limit with swap at every moment, so what grows is written first.
    if len(values) == 2 and (swap == -1 or (limit != -1 and int(swap or 0) > int(read(with_swap) or 0))):
        values.reverse()
    for path, value, name in values:
        write(path, str(value), f"{R}.memory.{name}")
    for name, file, number in (
        ("reservation", "memory.soft_limit_in_bytes", memory.reservation),
        ("kernel", "memory.kmem.limit_in_bytes", memory.kernel),
        ("kernelTCP", "memory.kmem.tcp.limit_in_bytes", memory.kernel_tcp),
        ("swappiness", "memory.swappiness", memory.swappiness),
        ("disableOOMKiller", "memory.oom_control", 1 if memory.disable_oom_killer else None),
        ("useHierarchy", "memory.use_hierarchy", None if memory.use_hierarchy is None else int(memory.use_hierarchy)),
    ):
        if number is not None:
            write(f"{directory}/{file}", str(number), f"{R}.memory.{name}")
            if name == "kernel" and 0 < number < int(read(f"{directory}/{file}") or 0):
                raise Failure("unsupported", f"{R}.memory.kernel: this kernel takes the limit and does not apply it")


def _cpu(directory: str, cpu: CPU) -> None:
    if cpu.quota and cpu.burst is not None and read(f"{directory}/cpu.cfs_burst_us").strip() not in ("", "0"):
        write(f"{directory}/cpu.cfs_burst_us", "0", f"{R}.cpu.burst")  # at no moment may it be above the quota
    if cpu.shares:
        write(f"{directory}/cpu.shares", str(cpu.shares), f"{R}.cpu.shares")
    period, quota = ("period", "cpu.cfs_period_us", cpu.period), ("quota", "cpu.cfs_quota_us", cpu.quota)
    _write_share(directory, period, quota)
    if cpu.burst is not None:
        write(f"{directory}/cpu.cfs_burst_us", str(cpu.burst), f"{R}.cpu.burst")
    period = ("realtimePeriod", "cpu.rt_period_us", cpu.realtime_period)
    _write_share(directory, period, ("realtimeRuntime", "cpu.rt_runtime_us", cpu.realtime_runtime))
    if cpu.idle is not None:
        write(f"{directory}/cpu.idle", str(cpu.idle), f"{R}.cpu.idle")


def _write_share(directory: str, period: tuple[str, str, int | None], part: tuple[str, str, int | None]) -> None:
    """A period and what may be used in it: the one goes first with which the other of before is no larger a share."""
    asked = [entry for entry in (period, part) if entry[2]]
    try:
        for name, file, value in asked:
            write(f"{directory}/{file}", str(value), f"{R}.cpu.{name}")
    except Failure:
        if len(asked) < 2:
            raise
        for name, file, value in reversed(asked):
            write(f"{directory}/{file}", str(value), f"{R}.cpu.{name}")


def _cpuset(directory: str, cpu: CPU) -> None:
    if cpu.cpus:
        write(f"{directory}/cpuset.cpus", cpu.cpus, f"{R}.cpu.cpus")
    if cpu.mems:
        write(f"{directory}/cpuset.mems", cpu.mems, f"{R}.cpu.mems")


def _block_io(directory: str, block: BlockIO) -> None:
    bfq = os.path.exists(f"{directory}/blkio.bfq.weight")
    if block.weight:
        write(f"{directory}/blkio.{'bfq.' if bfq else ''}weight", str(block.weight), f"{R}.blockIO.weight")
    if block.leaf_weight:
        write(f"{directory}/blkio.leaf_weight", str(block.leaf_weight), f"{R}.blockIO.leafWeight")
    for index, device in enumerate(block.weight_device):
        field = f"{R}.blockIO.weightDevice[{index}]"
        at = f"{device.major}:{device.minor}"
        if device.weight:
            write(f"{directory}/blkio.{'bfq.' if bfq else ''}weight_device", f"{at} {device.weight}", field)
        if device.leaf_weight:
            write(f"{directory}/blkio.leaf_weight_device", f"{at} {device.leaf_weight}", field)
    for name, file, throttles in (
        ("throttleReadBpsDevice", "read_bps", block.throttle_read_bps_device),
        ("throttleWriteBpsDevice", "write_bps", block.throttle_write_bps_device),
        ("throttleReadIOPSDevice", "read_iops", block.throttle_read_iops_device),
        ("throttleWriteIOPSDevice", "write_iops", block.throttle_write_iops_device),
    ):
        for index, throttle in enumerate(throttles):
            value = f"{throttle.major}:{throttle.minor} {throttle.rate}"
            write(f"{directory}/blkio.throttle.{file}_device", value, f"{R}.blockIO.{name}[{index}]")


def _devices(directory: str, rules: tuple[DeviceRule, ...]) -> None:
    for index, rule in enumerate(rules):
        numbers = ":".join("*" if number < 0 else str(number) for number in (rule.major, rule.minor))
        file = "devices.allow" if rule.allow else "devices.deny"
        if rule.type != "a":
            values = [f"{rule.type} {numbers} {rule.access}"]
        else:  # the kernel takes its own "a" for every access, whatever else is said
            values = ["a"] if set(rule.access) == set("rwm") else [f"{kind} *:* {rule.access}" for kind in "bc"]
        for value in values:
            write(f"{directory}/{file}", value, f"{R}.devices[{index}]")
