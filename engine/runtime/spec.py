"""From settings to the config.json of an OCI bundle (runtime specification 1.2), safe by default."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import InvalidArgument
from engine.runtime import capabilities, defaults
from engine.runtime.init import USER_ANNOTATION
from engine.runtime.seccomp.profile import default_profile

VERSION = "1.2.0"
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?")
# Those that a namespace of the container's own holds: namespaces(7). Any other would change the host.
_NAMESPACED_SYSCTL = re.compile(
    r"net(\.[A-Za-z0-9_-]+)+|fs\.mqueue\.[a-z_]+|kernel\.(shm[a-z_]+|msg[a-z_]+|sem|shm_rmid_forced)"
)
_OWN = ("/proc", "/sys", "/dev")


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory of the host, seen at `target` (absolute) in the container."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """What a container's process is to be.

    `args`: entrypoint and command together; `env`: "NAME=value"; `user`: "name|uid[:group|gid]", looked up in the
    image at start; `cwd`: made if missing; `hostname`: up to 63 characters; `binds`: resolv.conf, hosts,
    hostname and volumes; `rlimits`: "RLIMIT_NOFILE" → (soft, hard); `cgroups_path`: below the hierarchies' root.
    """

    args: Sequence[str]
    env: Sequence[str] = ()
    user: str = ""
    cwd: str = "/"
    hostname: str = ""
    read_only_root: bool = False
    binds: Sequence[Bind] = ()
    capabilities: Sequence[str] = capabilities.DEFAULT
    no_new_privileges: bool = True
    seccomp: bool = True
    shm_bytes: int = defaults.SHM_BYTES
    rlimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=lambda: dict(defaults.SYSCTLS))
    oom_score_adj: int | None = None
    cgroups_path: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)


def standard_binds(container_dir: Path) -> list[Bind]:
    """resolv.conf, hosts and hostname of the container's directory at their places in /etc."""
    names = ("resolv.conf", "hosts", "hostname")
    return [Bind(str(container_dir / name), f"/etc/{name}") for name in names]


def build(settings: ProcessSettings) -> dict[str, Any]:
    """The specification's object, ready for json.dumps. InvalidArgument with detail["field"] if a value is wrong."""
    check(settings)
    caps = list(settings.capabilities)
    spec: dict[str, Any] = {
        "ociVersion": VERSION,
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": list(settings.args),
            "env": _environment(settings.env),
            "cwd": settings.cwd or "/",
            "capabilities": {
                "bounding": caps,
                "effective": caps,
                "permitted": caps,
                "inheritable": [],
                "ambient": [],
            },
            "noNewPrivileges": settings.no_new_privileges,
            "rlimits": [{"type": t, "soft": soft, "hard": hard} for t, (soft, hard) in settings.rlimits.items()],
        },
        "root": {"path": "rootfs", "readonly": settings.read_only_root},
        "mounts": [*defaults.mounts(settings.shm_bytes), *(_bind(bind) for bind in _outer_first(settings.binds))],
        "annotations": {**settings.annotations, USER_ANNOTATION: settings.user},
        "linux": {
            "namespaces": [{"type": name} for name in defaults.NAMESPACES],
            "maskedPaths": defaults.masked_paths(),
            "readonlyPaths": list(defaults.READONLY_PATHS),
            "sysctl": dict(settings.sysctls),
        },
    }
    if settings.hostname:
        spec["hostname"] = settings.hostname
    if settings.oom_score_adj is not None:
        spec["process"]["oomScoreAdj"] = settings.oom_score_adj
    if settings.cgroups_path:
        spec["linux"]["cgroupsPath"] = settings.cgroups_path
    if settings.seccomp:
        spec["linux"]["seccomp"] = default_profile(caps)
    return spec


def check(settings: ProcessSettings) -> None:
    """Raise InvalidArgument for the first setting that no start could succeed with."""
    if not settings.args or not settings.args[0]:
        raise InvalidArgument("no command was given, and the image names none", {"field": "command"})
    texts = {"command": settings.args, "env": settings.env, "working_dir": [settings.cwd], "user": [settings.user]}
    for name, values in texts.items():
        if any("\0" in value for value in values):
            raise InvalidArgument(f"{name} must not contain a zero byte", {"field": name})
    for entry in settings.env:
        if not entry.partition("=")[0] or "=" not in entry:
            raise InvalidArgument(f"the environment variable {entry!r} must have the form NAME=value", {"field": "env"})
    if settings.cwd and not settings.cwd.startswith("/"):
        raise InvalidArgument(f"the working directory {settings.cwd!r} must be absolute", {"field": "working_dir"})
    if settings.hostname and not _HOST_NAME.fullmatch(settings.hostname):
        raise InvalidArgument(f"{settings.hostname!r} is not a host name", {"field": "hostname"})
    for capability in settings.capabilities:
        if capability not in capabilities.NUMBERS:
            raise InvalidArgument(f"{capability!r} is not a capability", {"field": "capabilities"})
    for name in settings.sysctls:
        if not _NAMESPACED_SYSCTL.fullmatch(name):
            raise InvalidArgument(
                f"the kernel setting {name!r} belongs to the whole machine or does not exist", {"field": "sysctls"}
            )
    for bind in settings.binds:
        _check_bind(bind)


def _check_bind(bind: Bind) -> None:
    target = bind.target.rstrip("/")
    if not target.startswith("/") or ".." in target.split("/"):
        raise InvalidArgument(f"{bind.target!r} must be an absolute path without ..", {"field": "volumes"})
    if any(target == own or target.startswith(f"{own}/") for own in _OWN):
        raise InvalidArgument(f"nothing can be mounted at {bind.target}: it is the kernel's", {"field": "volumes"})


def _environment(env: Sequence[str]) -> list[str]:
    """In order, a later value of a name replacing an earlier one; PATH is always there."""
    variables = {"PATH": defaults.PATH}
    for entry in env:
        name, _, value = entry.partition("=")
        variables[name] = value
    return [f"{name}={value}" for name, value in variables.items()]


def _outer_first(binds: Sequence[Bind]) -> list[Bind]:
    """/data before /data/below, or the outer one would hide the inner one."""
    return sorted(binds, key=lambda bind: bind.target.rstrip("/").count("/"))


def _bind(bind: Bind) -> dict[str, Any]:
    options = ["rbind", "rprivate", "nodev", *(["ro"] if bind.read_only else [])]
    return {"destination": bind.target, "type": "bind", "source": bind.source, "options": options}
