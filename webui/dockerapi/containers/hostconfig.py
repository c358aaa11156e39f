"""HostConfig and our own options of a container: one table, read both ways.

`wishes` makes the fields of the site's request of a HostConfig, for create; `host_config` makes a HostConfig of a
container's spec (the contract's CreateContainer as JSON), for inspect. What has its own logic stands beside: mounts
(`mounts.py`), networks and ports (`networking.py`).

Docker's zero (0, "", null, []) is what we leave out. Whatever Docker knows and Portside doesn't is refused with the
reason, if it is set at all (`engine.options.refused`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.errors import Unsupported
from engine.options import refused
from webui.dockerapi import shapes

SHM_BYTES = 64 << 20
NANO = 1_000_000_000
_UNCONFINED = "systempaths=unconfined"
MASKED = (
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
    "/sys/firmware",
)  # fmt: skip
READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")
Reader = Callable[[Any, str], Any]


@dataclass(frozen=True, slots=True)
class Field:
    """`read` checks Docker's value and makes ours of it, None for what is left out; `write` is the way back, of what
    the spec has (None: nothing)."""

    docker: str
    ours: str
    read: Reader
    write: Callable[[Any], Any]


def _same(kind: Reader, empty: Any = None) -> tuple[Reader, Callable[[Any], Any]]:
    """One and the same value on both sides; Docker's zero is our None, and ours is its `empty`."""
    return (lambda value, name: kind(value, name) or None), (lambda value: value or empty)


def _mode(usual: str, shown: str = "") -> tuple[Reader, Callable[[Any], Any]]:
    """A namespace's mode, whose `usual` word Docker writes as `shown`."""
    return (
        lambda value, name: shapes.text(value, name) or None,
        lambda value: shown if value in (None, "", usual) else value,
    )


def _devices() -> tuple[Reader, Callable[[Any], Any]]:
    def read(value: Any, name: str) -> list[str] | None:
        found = []
        for one in shapes.objects(value, name):
            host = shapes.text(shapes.member(one, "PathOnHost"), f"{name}.PathOnHost")
            inside = shapes.text(shapes.member(one, "PathInContainer"), f"{name}.PathInContainer") or host
            rights = shapes.text(shapes.member(one, "CgroupPermissions"), f"{name}.CgroupPermissions") or "rwm"
            found.append(f"{host}:{inside}:{rights}")
        return found or None

    def write(value: Any) -> list[dict[str, str]]:
        found = []
        for text in value or ():
            host, _, rest = text.partition(":")
            inside, _, rights = rest.partition(":")
            if inside and not inside.startswith("/"):
                inside, rights = host, inside
            found.append({"PathOnHost": host, "PathInContainer": inside or host, "CgroupPermissions": rights or "rwm"})
        return found

    return read, write


def _of_device(what: str) -> tuple[Reader, Callable[[Any], Any]]:
    """A rate or a weight of each of some devices."""

    def read(value: Any, name: str) -> list[str] | None:
        found = [
            f"{shapes.text(shapes.member(one, 'Path'), name)}:{shapes.number(shapes.member(one, what), name)}"
            for one in shapes.objects(value, name)
        ]
        return found or None

    def write(value: Any) -> list[dict[str, Any]]:
        texts = [text.rpartition(":") for text in value or ()]
        return [{"Path": path, what: int(number) if number.isdigit() else 0} for path, _, number in texts]

    return read, write


def _read_ulimits(value: Any, name: str) -> list[str] | None:
    found = [
        f"{shapes.text(shapes.member(one, 'Name'), name)}={shapes.number(shapes.member(one, 'Soft'), name)}"
        f":{shapes.number(shapes.member(one, 'Hard'), name)}"
        for one in shapes.objects(value, name)
    ]
    return found or None


def _write_ulimits(value: Any) -> list[dict[str, Any]]:
    found = []
    for text in value or ():
        name, _, limits = text.partition("=")
        soft, _, hard = limits.partition(":")
        found.append({"Name": name, "Hard": _limit(hard or soft), "Soft": _limit(soft)})
    return found


def _limit(text: str) -> int:
    return int(text) if text.lstrip("-").isdigit() else -1


def _read_tmpfs(value: Any, name: str) -> list[str] | None:
    found = shapes.pairs(value, name)
    return [f"{path}:{options}" if options else path for path, options in found.items()] or None


def _write_tmpfs(value: Any) -> dict[str, str] | None:
    return {path: options for path, _, options in (text.partition(":") for text in value or ())} or None


def _read_cpus(value: Any, name: str) -> float | None:
    return shapes.number(value, name) / NANO or None


def _read_pids(value: Any, name: str) -> int | None:
    number = shapes.number(value, name)
    return -1 if number < 0 else number or None


def _read_swappiness(value: Any, name: str) -> int | None:
    return None if value in (None, -1) else shapes.number(value, name)


def _read_shm(value: Any, name: str) -> int | None:
    number = shapes.number(value, name)
    return None if number in (0, SHM_BYTES) else number


def _read_runtime(value: Any, name: str) -> str | None:
    return shapes.text(value, name) or None


TABLE = (
    Field("AutoRemove", "auto_remove", *_same(shapes.flag, False)),
    Field("Annotations", "annotations", *_same(shapes.pairs)),
    Field("CapAdd", "cap_add", *_same(shapes.strings)),
    Field("CapDrop", "cap_drop", *_same(shapes.strings)),
    Field("CgroupnsMode", "cgroupns", *_mode("private", "private")),
    Field("Dns", "dns", *_same(shapes.strings, [])),
    Field("DnsOptions", "dns_options", *_same(shapes.strings, [])),
    Field("DnsSearch", "dns_search", *_same(shapes.strings, [])),
    Field("ExtraHosts", "extra_hosts", *_same(shapes.strings)),
    Field("GroupAdd", "group_add", *_same(shapes.strings)),
    Field("IpcMode", "ipc", *_mode("private", "private")),
    Field("OomScoreAdj", "oom_score_adj", *_same(shapes.number, 0)),
    Field("PidMode", "pid", *_mode("private")),
    Field("Privileged", "privileged", *_same(shapes.flag, False)),
    Field("PublishAllPorts", "publish_all", *_same(shapes.flag, False)),
    Field("ReadonlyRootfs", "read_only", *_same(shapes.flag, False)),
    Field("Tmpfs", "tmpfs", _read_tmpfs, _write_tmpfs),
    Field("UTSMode", "uts", *_mode("private")),
    Field("UsernsMode", "userns", *_mode("auto")),
    Field("ShmSize", "shm_size", _read_shm, lambda value: value or SHM_BYTES),
    Field("Sysctls", "sysctls", *_same(shapes.pairs)),
    Field("Runtime", "runtime", _read_runtime, lambda value: value or "portside"),
    Field("VolumesFrom", "volumes_from", *_same(shapes.strings)),
    Field("VolumeDriver", "volume_driver", *_same(shapes.text, "")),
    Field("CpuShares", "cpu_shares", *_same(shapes.number, 0)),
    Field("Memory", "memory_bytes", *_same(shapes.number, 0)),
    Field("NanoCpus", "cpus", _read_cpus, lambda value: round((value or 0) * NANO)),
    Field("BlkioWeight", "blkio_weight", *_same(shapes.number, 0)),
    Field("BlkioWeightDevice", "blkio_weight_device", *_of_device("Weight")),
    Field("BlkioDeviceReadBps", "device_read_bps", *_of_device("Rate")),
    Field("BlkioDeviceWriteBps", "device_write_bps", *_of_device("Rate")),
    Field("BlkioDeviceReadIOps", "device_read_iops", *_of_device("Rate")),
    Field("BlkioDeviceWriteIOps", "device_write_iops", *_of_device("Rate")),
    Field("CpuPeriod", "cpu_period", *_same(shapes.number, 0)),
    Field("CpuQuota", "cpu_quota", *_same(shapes.number, 0)),
    Field("CpuRealtimePeriod", "cpu_rt_period", *_same(shapes.number, 0)),
    Field("CpuRealtimeRuntime", "cpu_rt_runtime", *_same(shapes.number, 0)),
    Field("CpusetCpus", "cpuset_cpus", *_same(shapes.text, "")),
    Field("CpusetMems", "cpuset_mems", *_same(shapes.text, "")),
    Field("Devices", "devices", *_devices()),
    Field("DeviceCgroupRules", "device_cgroup_rules", *_same(shapes.strings)),
    Field("MemoryReservation", "memory_reservation", *_same(shapes.number, 0)),
    Field("MemorySwap", "memory_swap", *_same(shapes.number, 0)),
    Field("MemorySwappiness", "memory_swappiness", _read_swappiness, lambda value: value),
    Field("OomKillDisable", "oom_kill_disable", *_same(shapes.flag)),
    Field("PidsLimit", "pids_limit", _read_pids, lambda value: value),
    Field("Ulimits", "ulimits", _read_ulimits, _write_ulimits),
    Field("StorageOpt", "storage_opt", *_same(shapes.pairs)),
    Field("Init", "init", *_same(shapes.flag)),
)
_REFUSED = {
    "CgroupParent": "cgroup_parent",
    "CpuCount": "cpu_count",
    "CpuPercent": "cpu_percent",
    "DeviceRequests": "gpus",
    "IOMaximumBandwidth": "io_maxbandwidth",
    "IOMaximumIOps": "io_maxiops",
}
"""Docker's field → the option that says why not."""
_FIXED: dict[str, Any] = {
    "ContainerIDFile": "", "ConsoleSize": [0, 0], "Cgroup": "", "Links": None, "Isolation": "", "CgroupParent": "",
    "DeviceRequests": None, "CpuCount": 0, "CpuPercent": 0,
    "IOMaximumIOps": 0, "IOMaximumBandwidth": 0,
}  # fmt: skip
_OPTIONAL = frozenset({"Annotations", "Init", "StorageOpt", "Sysctls", "Tmpfs"})
"""Those that inspect leaves out when there is nothing to say."""


def wishes(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request that a HostConfig asks for. Raises InvalidArgument, Unsupported with the reason.

    `Links` are read with the networks.
    """
    for docker, option in _REFUSED.items():
        if shapes.member(given, docker):
            raise Unsupported(f"{docker}: {refused.sentence(option)}")
    if shapes.text(shapes.member(given, "Isolation"), "Isolation") not in ("", "default"):
        raise Unsupported(f"Isolation: {refused.sentence('isolation')}")
    found = {field.ours: field.read(shapes.member(given, field.docker), field.docker) for field in TABLE}
    found["log_driver"], found["log_opt"] = _read_log(given)
    found["security_opt"] = _read_security(given)
    found.update(read_restart(given))
    return {name: value for name, value in found.items() if value is not None}


def host_config(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What of a HostConfig is in this table, of a container's spec."""
    found: dict[str, Any] = dict(_FIXED)
    for field in TABLE:
        value = field.write(spec.get(field.ours))
        if value is not None or field.docker not in _OPTIONAL:
            found[field.docker] = value
    if spec.get("memory_bytes") and not spec.get("memory_swap"):
        found["MemorySwap"] = spec["memory_bytes"]  # a limit has no swap on top
    found["LogConfig"] = {"Type": spec.get("log_driver") or "json-file", "Config": spec.get("log_opt") or {}}
    found["RestartPolicy"] = {
        "Name": spec.get("restart") or "no",
        "MaximumRetryCount": spec.get("restart_limit") or 0,
    }
    security = list(spec.get("security_opt") or ())
    is_open = _UNCONFINED in security or bool(spec.get("privileged"))
    found["SecurityOpt"] = [text for text in security if text != _UNCONFINED] or None
    found["MaskedPaths"] = None if is_open else list(MASKED)
    found["ReadonlyPaths"] = None if is_open else list(READ_ONLY)
    return found


def read_restart(given: Mapping[str, Any]) -> dict[str, Any]:
    """`restart` and `restart_limit` of a RestartPolicy; {} without one."""
    policy = shapes.mapping(shapes.member(given, "RestartPolicy"), "RestartPolicy")
    name = shapes.text(shapes.member(policy, "Name"), "RestartPolicy.Name")
    if not name:
        return {}
    limit = shapes.number(shapes.member(policy, "MaximumRetryCount"), "RestartPolicy.MaximumRetryCount")
    return {"restart": name, "restart_limit": limit or None}


def _read_log(given: Mapping[str, Any]) -> tuple[str | None, dict[str, str] | None]:
    config = shapes.mapping(shapes.member(given, "LogConfig"), "LogConfig")
    kind = shapes.text(shapes.member(config, "Type"), "LogConfig.Type")
    return kind or None, shapes.pairs(shapes.member(config, "Config"), "LogConfig.Config") or None


def _read_security(given: Mapping[str, Any]) -> list[str] | None:
    """The client says `systempaths=unconfined` by lists of paths that are empty."""
    found = list(shapes.strings(shapes.member(given, "SecurityOpt"), "SecurityOpt"))
    if shapes.member(given, "MaskedPaths") == [] and shapes.member(given, "ReadonlyPaths") == []:
        found.append(_UNCONFINED)
    return found or None
