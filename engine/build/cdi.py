"""RUN --device: devices that files of the host describe, as containers are to have them.

Source: Container Device Interface 1.1 (github.com/cncf-tags/container-device-interface, SPEC.md), and which of them a
name means, from BuildKit (solver/llbsolver/cdidevices).

    --device=vendor.com/class=name    that one; `=*` all of the class; without a name the first one
    --device=word                     those whose annotation `org.mobyproject.buildkit.device.class` is this word

Of what a file may ask for, a step gets device nodes, mounts, variables and groups. What would have to run a program on
the host (hooks), or moves interfaces of the host, is refused by name.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from engine.errors import InvalidArgument, Unsupported
from engine.runtime.spec import Bind, DeviceNode

DIRECTORIES = ("/etc/cdi", "/var/run/cdi")
"""What a later one says goes before what an earlier one does."""
CLASS = "org.mobyproject.buildkit.device.class"
_KIND = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*/[A-Za-z0-9][A-Za-z0-9_-]*")
_UNSUPPORTED = {"hooks": "hooks", "netDevices": "network interfaces", "intelRdt": "cache allocation (RDT)"}
_PERMISSIONS = re.compile(r"[rwm]{1,3}")
_FILE_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Edits:
    """What is added to a step. `rules`: of its control group, version 1's words; `groups`: supplementary ones."""

    env: tuple[str, ...] = ()
    nodes: tuple[DeviceNode, ...] = ()
    rules: tuple[str, ...] = ()
    binds: tuple[Bind, ...] = ()
    groups: tuple[str, ...] = ()

    def __add__(self, other: Edits) -> Edits:
        return Edits(
            self.env + other.env, self.nodes + other.nodes, self.rules + other.rules, self.binds + other.binds,
            self.groups + other.groups,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Device:
    name: str
    path: str
    annotations: Mapping[str, Any]
    edits: Mapping[str, Any]
    common: Mapping[str, Any]


@dataclass(slots=True)
class Registry:
    """The devices that this host has now. `problems`: files that can't be read, with why."""

    problems: list[str] = field(default_factory=list)
    _devices: dict[str, _Device] = field(default_factory=dict)

    @classmethod
    def read(cls, directories: Sequence[str] = ()) -> Registry:
        """What the files in these directories say; DIRECTORIES if there are none."""
        registry = cls()
        for directory in directories or DIRECTORIES:
            for path in sorted(Path(directory).glob("*")):
                if path.suffix in (".json", ".yaml", ".yml"):
                    try:
                        registry._devices |= {device.name: device for device in _devices(path)}
                    except (OSError, ValueError, yaml.YAMLError) as error:
                        registry.problems.append(f"{path}: {str(error).splitlines()[0]}")
        return registry

    def edits(self, name: str) -> Edits | None:
        """What a step gets for `--device=name`; None where this host has no such device.

        Raises `Unsupported` for a device that needs more than a step can be given, `InvalidArgument` for one whose file
        is wrong.
        """
        devices = self._named(name)
        if not devices:
            return None
        found, common = Edits(), set()
        for device in devices:
            if device.path not in common:
                found += _edits(device, device.common)
                common.add(device.path)
            found += _edits(device, device.edits)
        return found

    def _named(self, text: str) -> list[_Device]:
        kind, _, name = text.partition("=")
        found = []
        if _KIND.fullmatch(kind):
            same = [device for key, device in sorted(self._devices.items()) if key.startswith(f"{kind}=")]
            found = same if name == "*" else same[:1] if not name else [one for one in same if one.name == text]
        return found or [one for _, one in sorted(self._devices.items()) if one.annotations.get(CLASS) == text]


def _devices(path: Path) -> Iterator[_Device]:
    """Raises ValueError for what is no description of devices."""
    with open(path, "rb") as file:
        text = file.read(_FILE_BYTES)
    document = yaml.safe_load(text)  # JSON is YAML
    kind = document.get("kind") if isinstance(document, dict) else None
    if not isinstance(kind, str) or not _KIND.fullmatch(kind):
        raise ValueError("it has no kind such as vendor.com/class")
    common = _object(document.get("containerEdits"))
    for device in _list(document.get("devices")):
        name, edits = _object(device).get("name"), _object(_object(device).get("containerEdits"))
        if not isinstance(name, str) or not name:
            raise ValueError("a device in it has no name")
        annotations = _object(document.get("annotations")) | _object(device.get("annotations"))
        yield _Device(f"{kind}={name}", str(path), annotations, edits, common)


def _object(value: Any) -> dict[str, Any]:
    if value is not None and not isinstance(value, dict):
        raise ValueError("something in it that has to be an object is none")
    return dict(value or {})


def _list(value: Any) -> list[Any]:
    if value is not None and not isinstance(value, list):
        raise ValueError("something in it that has to be a list is none")
    return list(value or ())


def _edits(device: _Device, edits: Mapping[str, Any]) -> Edits:
    for key, words in _UNSUPPORTED.items():
        if edits.get(key):
            raise Unsupported(
                f"the device {device.name} needs {words} ({device.path}), which steps of builds can't have: "
                "use it in a container"
            )
    try:
        nodes = [_node(_object(one)) for one in _list(edits.get("deviceNodes"))]
        return Edits(
            env=tuple(str(one) for one in _list(edits.get("env"))),
            nodes=tuple(node for node, _ in nodes),
            rules=tuple(f"{node.kind} {node.major}:{node.minor} {permissions}" for node, permissions in nodes),
            binds=tuple(_bind(_object(one)) for one in _list(edits.get("mounts"))),
            groups=tuple(str(int(one)) for one in _list(edits.get("additionalGids"))),
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidArgument(f"the device {device.name} can't be given: {device.path}: {error}") from error


def _node(node: Mapping[str, Any]) -> tuple[DeviceNode, str]:
    """The node with its permissions; what is not said of it is as the host has it."""
    path = os.path.normpath(str(node["path"]))
    permissions = str(node.get("permissions") or "rwm")
    if not path.startswith("/dev/") or not _PERMISSIONS.fullmatch(permissions):
        raise ValueError(f"{path} with the permissions {permissions} is no device node")
    kind = str(node.get("type") or "").replace("u", "c")
    major, minor, mode = node.get("major"), node.get("minor"), node.get("fileMode")
    if not kind or major is None or minor is None or mode is None:
        found = os.stat(node.get("hostPath") or path)
        if not (stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode)):
            raise ValueError(f"{node.get('hostPath') or path} is no device of this host")
        kind = kind or ("c" if stat.S_ISCHR(found.st_mode) else "b")
        if major is None or minor is None:
            major, minor = os.major(found.st_rdev), os.minor(found.st_rdev)
        mode = stat.S_IMODE(found.st_mode) if mode is None else mode
    if kind not in ("c", "b"):
        raise ValueError(f"{path} is of the type {kind!r}, and no device node")
    uid, gid = int(node.get("uid") or 0), int(node.get("gid") or 0)
    return DeviceNode(path, kind, int(major), int(minor), int(mode) & 0o777, uid, gid), permissions


def _bind(mount: Mapping[str, Any]) -> Bind:
    source, target = str(mount["hostPath"]), str(mount["containerPath"])
    if mount.get("type") not in (None, "", "bind") or not source.startswith("/"):
        raise ValueError(f"the mount at {target} is none of a path of the host")
    os.stat(source)
    return Bind(source, target, read_only="ro" in _list(mount.get("options")))
