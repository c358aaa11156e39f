"""`linux` of the runtime specification: config-linux.md, but for `resources`."""

from __future__ import annotations

from engine.oci.fields import (
    Value,
    absolute_path,
    below,
    field,
    full_text,
    identity,
    int64,
    many,
    mapping,
    named,
    number,
    one_of,
    refuse,
    text,
    uint32,
)
from engine.oci.runtime_resources import Resources
from engine.oci.runtime_seccomp import Seccomp

NAMESPACES = ("pid", "network", "mount", "ipc", "uts", "user", "cgroup", "time")
_PROPAGATIONS = ("shared", "slave", "private", "unbindable", "rshared", "rslave", "rprivate", "runbindable")
MAXIMUM_MAPPINGS = 340  # user_namespaces(7)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Namespace(Value):
    """`path`: of one to join; empty for a new one."""

    type: str = field(one_of(*NAMESPACES), required=True)
    path: str = field(text, default="")

    def check(self, path: str) -> None:
        if self.path:
            absolute_path(self.path, f"{path}.path")


class IDMapping(Value):
    container_id: int = field(uint32, key="containerID", required=True)
    host_id: int = field(uint32, key="hostID", required=True)
    size: int = field(number(1, (1 << 32) - 1), required=True)

    def check(self, path: str) -> None:
        for key, first in (("containerID", self.container_id), ("hostID", self.host_id)):
            if first + self.size > (1 << 32) - 1:
                raise refuse(below(path, key), f"{first} and the {self.size - 1} ids above it are more than there are")


def id_mappings(value: object, path: str) -> tuple[IDMapping, ...]:
    """A list of mappings that the kernel would take: not too many, and no id twice on either side."""
    found = many(IDMapping.read)(value, path)
    if len(found) < 2:
        return found
    if len(found) > MAXIMUM_MAPPINGS:
        raise refuse(path, f"has {len(found)} entries; the kernel takes {MAXIMUM_MAPPINGS}")
    import itertools  # a shared library of its own, for the few bundles that map

    for key in ("container_id", "host_id"):
        ordered = sorted(range(len(found)), key=lambda index: getattr(found[index], key))
        for one, two in itertools.pairwise(ordered):
            if getattr(found[one], key) + found[one].size > getattr(found[two], key):
                raise refuse(f"{path}[{two}]", f"overlaps {path}[{one}]")
    return found


class TimeOffset(Value):
    secs: int = field(int64, default=0)
    nanosecs: int = field(number(0, 999_999_999), default=0)


def _time_offsets(value: object, path: str) -> dict[str, TimeOffset]:
    found = named(TimeOffset.read)(value, path)
    for clock in found:
        if clock not in ("monotonic", "boottime"):
            raise refuse(f"{path}[{clock!r}]", "is not one of monotonic, boottime")
    return found


class Device(Value):
    type: str = field(one_of("c", "b", "u", "p"), required=True)
    path: str = field(absolute_path, required=True)
    major: int | None = field(uint32, default=None)
    minor: int | None = field(uint32, default=None)
    file_mode: int | None = field(uint32, default=None)
    uid: int | None = field(identity, default=None)
    gid: int | None = field(identity, default=None)

    def check(self, path: str) -> None:
        if self.type != "p":
            for key in ("major", "minor"):
                if getattr(self, key) is None:
                    raise refuse(f"{path}.{key}", f"is missing, and type {self.type} needs it")


def _devices(value: object, path: str) -> tuple[Device, ...]:
    found = many(Device.read)(value, path)
    first: dict[str, int] = {}
    for index, device in enumerate(found):
        name = "/".join(part for part in device.path.split("/") if part not in ("", "."))
        if first.setdefault(name, index) != index:
            raise refuse(f"{path}[{index}].path", f"{device.path} is that of {path}[{first[name]}] already")
    return found


class Personality(Value):
    domain: str = field(one_of("LINUX", "LINUX32"), required=True)
    flags: tuple[str, ...] = field(many(text), default=())

    def check(self, path: str) -> None:
        if self.flags:
            raise refuse(f"{path}.flags[0]", "the specification has no flags yet")


class IntelRdt(Value):
    clos_id: str = field(text, key="closID", default="")
    l3_cache_schema: str = field(text, default="")
    mem_bw_schema: str = field(text, default="")


class NetDevice(Value):
    """`name`: what the device is called in the container; empty: as on the host."""

    name: str = field(text, default="")

    def check(self, path: str) -> None:
        if self.name:
            interface_name(self.name, f"{path}.name")


def interface_name(value: object, path: str) -> str:
    """linux/if.h and net/core/dev.c, dev_valid_name."""
    found = full_text(value, path)
    if len(found.encode()) > 15 or found in (".", "..") or any(c in "/:" or c.isspace() for c in found):
        raise refuse(path, f"{found!r} is not the name of a network device")
    return found


def _net_devices(value: object, path: str) -> dict[str, NetDevice]:
    found = named(NetDevice.read)(value, path)
    for name in found:
        interface_name(name, f"{path}[{name!r}]")
    return found


def _namespaces(value: object, path: str) -> tuple[Namespace, ...]:
    found = many(Namespace.read)(value, path)
    for index, namespace in enumerate(found):
        if any(other.type == namespace.type for other in found[:index]):
            raise refuse(f"{path}[{index}].type", f"there are two {namespace.type} namespaces")
    return found


def _sysctls(value: object, path: str) -> dict[str, str]:
    found = named(text)(value, path)
    for name in found:
        parts = name.replace("/", ".").split(".")
        if not all(parts):  # "..", an absolute path or nothing at all: it becomes a path below /proc/sys
            raise refuse(f"{path}[{name!r}]", "is not the name of a kernel setting")
    return found


class Linux(Value):
    namespaces: tuple[Namespace, ...] = field(_namespaces, default=())
    uid_mappings: tuple[IDMapping, ...] = field(id_mappings, default=())
    gid_mappings: tuple[IDMapping, ...] = field(id_mappings, default=())
    time_offsets: dict[str, TimeOffset] = field(_time_offsets, default={})
    devices: tuple[Device, ...] = field(_devices, default=())
    net_devices: dict[str, NetDevice] = field(_net_devices, default={})
    cgroups_path: str = field(text, default="")
    resources: Resources = field(Resources.read, default=Resources())
    rootfs_propagation: str = field(one_of("", *_PROPAGATIONS), default="")
    seccomp: Seccomp | None = field(Seccomp.read, default=None)
    masked_paths: tuple[str, ...] = field(many(absolute_path), default=())
    readonly_paths: tuple[str, ...] = field(many(absolute_path), default=())
    mount_label: str = field(text, default="")
    sysctl: dict[str, str] = field(_sysctls, default={})
    intel_rdt: IntelRdt | None = field(IntelRdt.read, default=None)
    memory_policy: dict[str, Any] | None = field(mapping, default=None)
    personality: Personality | None = field(Personality.read, default=None)

    def check(self, path: str) -> None:
        kinds = {namespace.type: namespace for namespace in self.namespaces}
        new_user = "user" in kinds and not kinds["user"].path
        for key, mappings in (("uidMappings", self.uid_mappings), ("gidMappings", self.gid_mappings)):
            if new_user and not mappings:
                raise refuse(below(path, key), "is missing: a new user namespace without it has nobody in it")
            if mappings and not new_user:
                raise refuse(below(path, key), "needs a new user namespace in linux.namespaces")
        if self.time_offsets and ("time" not in kinds or kinds["time"].path):
            raise refuse(below(path, "timeOffsets"), "needs a new time namespace in linux.namespaces")
        if self.net_devices and "network" not in kinds:
            raise refuse(below(path, "netDevices"), "needs a network namespace in linux.namespaces")
        if ".." in self.cgroups_path.split("/"):
            raise refuse(below(path, "cgroupsPath"), "must not contain ..")
