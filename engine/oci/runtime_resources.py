"""`linux.resources` of the runtime specification: config-linux.md "Control groups"."""

from __future__ import annotations

from engine.oci.fields import (
    Value,
    boolean,
    field,
    full_text,
    int64,
    many,
    matches,
    named,
    number,
    one_of,
    refuse,
    text,
    uint16,
    uint32,
    uint64,
)

_SET = r"(\d+(-\d+)?)(,\d+(-\d+)?)*\n?"
_PAGE = r"[1-9]\d*(KB|MB|GB)"
_KEY = r"[A-Za-z0-9_]+(\.[A-Za-z0-9_-]+)+"
_device_number = number(-1, (1 << 32) - 1)


def _access(value: object, path: str) -> str:
    found = text(value, path)
    if not found or set(found) - set("rwm"):
        raise refuse(path, f"{found!r} is not made of r, w and m")
    return found


def _cpu_list(value: object, path: str) -> str:
    found = text(value, path)
    if found and not matches(_SET, found):
        raise refuse(path, f"{found!r} is not a list such as 0-3,7")
    return found.strip()


class DeviceRule(Value):
    """An entry of `devices`; major and minor -1 or missing: any."""

    allow: bool = field(boolean, required=True)
    type: str = field(one_of("a", "b", "c"), default="a")
    major: int = field(_device_number, default=-1)
    minor: int = field(_device_number, default=-1)
    access: str = field(_access, default="rwm")


class Memory(Value):
    """Bytes; -1 is unlimited."""

    limit: int | None = field(number(-1, (1 << 63) - 1), default=None)
    reservation: int | None = field(number(-1, (1 << 63) - 1), default=None)
    swap: int | None = field(number(-1, (1 << 63) - 1), default=None)
    kernel: int | None = field(number(-1, (1 << 63) - 1), default=None)
    kernel_tcp: int | None = field(number(-1, (1 << 63) - 1), key="kernelTCP", default=None)
    swappiness: int | None = field(number(0, 100), default=None)
    disable_oom_killer: bool = field(boolean, default=False, key="disableOOMKiller")
    use_hierarchy: bool | None = field(boolean, default=None)
    check_before_update: bool = field(boolean, default=False)

    def check(self, path: str) -> None:
        if self.swap is not None and self.swap > 0:
            if self.limit is None or self.limit < 0:
                raise refuse(f"{path}.swap", "needs memory.limit, since it is the sum of memory and swap")
            if self.swap < self.limit:
                raise refuse(f"{path}.swap", f"{self.swap} is below memory.limit, {self.limit}; it is their sum")


class CPU(Value):
    """Times in microseconds."""

    shares: int | None = field(uint64, default=None)
    quota: int | None = field(int64, default=None)
    burst: int | None = field(uint64, default=None)
    period: int | None = field(uint64, default=None)
    realtime_runtime: int | None = field(int64, default=None)
    realtime_period: int | None = field(uint64, default=None)
    cpus: str = field(_cpu_list, default="")
    mems: str = field(_cpu_list, default="")
    idle: int | None = field(number(0, 1), default=None)


class Pids(Value):
    limit: int | None = field(int64, default=None)


class WeightDevice(Value):
    major: int = field(uint32, required=True)
    minor: int = field(uint32, required=True)
    weight: int | None = field(uint16, default=None)
    leaf_weight: int | None = field(uint16, default=None)


class ThrottleDevice(Value):
    """`rate`: bytes or operations a second."""

    major: int = field(uint32, required=True)
    minor: int = field(uint32, required=True)
    rate: int = field(uint64, required=True)


_throttles = many(ThrottleDevice.read)


class BlockIO(Value):
    weight: int | None = field(uint16, default=None)
    leaf_weight: int | None = field(uint16, default=None)
    weight_device: tuple[WeightDevice, ...] = field(many(WeightDevice.read), default=())
    throttle_read_bps_device: tuple[ThrottleDevice, ...] = field(_throttles, default=())
    throttle_write_bps_device: tuple[ThrottleDevice, ...] = field(_throttles, default=())
    throttle_read_iops_device: tuple[ThrottleDevice, ...] = field(_throttles, default=(), key="throttleReadIOPSDevice")
    throttle_write_iops_device: tuple[ThrottleDevice, ...] = field(
        _throttles, default=(), key="throttleWriteIOPSDevice"
    )


def _page_size(value: object, path: str) -> str:
    found = text(value, path)
    if not matches(_PAGE, found):
        raise refuse(path, f"{found!r} is not a size such as 2MB")
    return found


class HugepageLimit(Value):
    page_size: str = field(_page_size, required=True)
    limit: int = field(uint64, required=True)


class InterfacePriority(Value):
    name: str = field(full_text, required=True)
    priority: int = field(uint32, required=True)


class Network(Value):
    class_id: int | None = field(uint32, key="classID", default=None)
    priorities: tuple[InterfacePriority, ...] = field(many(InterfacePriority.read), default=())


class Rdma(Value):
    hca_handles: int | None = field(uint32, default=None)
    hca_objects: int | None = field(uint32, default=None)


def _unified(value: object, path: str) -> dict[str, str]:
    found = named(text)(value, path)
    for key in found:
        if not matches(_KEY, key):  # it becomes a file's name
            raise refuse(f"{path}[{key!r}]", "is not the name of a control group's file")
    return found


class Resources(Value):
    devices: tuple[DeviceRule, ...] = field(many(DeviceRule.read), default=())
    memory: Memory | None = field(Memory.read, default=None)
    cpu: CPU | None = field(CPU.read, default=None)
    pids: Pids | None = field(Pids.read, default=None)
    block_io: BlockIO | None = field(BlockIO.read, key="blockIO", default=None)
    hugepage_limits: tuple[HugepageLimit, ...] = field(many(HugepageLimit.read), default=())
    network: Network | None = field(Network.read, default=None)
    rdma: dict[str, Rdma] = field(named(Rdma.read), default={})
    unified: dict[str, str] = field(_unified, default={})
