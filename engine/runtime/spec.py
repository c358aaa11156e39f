"""From settings to the config.json of an OCI bundle (runtime specification 1.2), safe by default."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.errors import InvalidArgument
from engine.options import places
from engine.options.naming import HOST_NAME
from engine.runtime import capabilities, defaults
from engine.runtime.apparmor.profile import REQUIRED_ANNOTATION
from engine.runtime.init import GROUPS_ANNOTATION, INIT, USER_ANNOTATION
from engine.runtime.mounts import SOURCE
from engine.runtime.seccomp.profile import default_profile

VERSION = "1.2.0"
# Those that a namespace of the container's own holds: namespaces(7). Any other would change the host.
_NAMESPACED_SYSCTL = re.compile(
    r"net(\.[A-Za-z0-9_-]+)+|fs\.mqueue\.[a-z_]+|kernel\.(shm[a-z_]+|msg[a-z_]+|sem|shm_rmid_forced)"
)


@dataclass(frozen=True, slots=True)
class Bind:
    """A file or directory of the host, seen at `target` (absolute) in the container.

    `subpath`: a directory or file in it, whose links lead nowhere else. `is_exact`: the source has no links, and if it
    has some by the time of a start, there is none. `recursive`: with what is mounted below, which `writable_below`
    leaves writable. `propagation`: in the words of mount(8). `root`: an exact source is opened from there, and no link
    on the way is followed. `image`: the id of an image, whose files these are; the source is its name. `hides`: what
    lies below an exact source and is shown empty. `devices`: nodes there work.
    """

    source: str
    target: str
    read_only: bool = False
    subpath: str = ""
    is_exact: bool = False
    recursive: bool = True
    writable_below: bool = False
    propagation: str = "rprivate"
    root: str = ""
    image: str = ""
    hides: Sequence[str] = ()
    devices: bool = False


@dataclass(frozen=True, slots=True)
class DeviceNode:
    """A device of the host, at `path` below the container's /dev. `kind`: c or b; `mode`: permission bits."""

    path: str
    kind: str
    major: int
    minor: int
    mode: int = 0o666
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True, slots=True)
class TmpfsMount:
    """An empty file system in memory; `options` as in mount(8), such as size=64m."""

    target: str
    options: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ProcessSettings:
    """What a container's process is to be.

    `args`: entrypoint and command together; `env`: "NAME=value"; `user`: "name|uid[:group|gid]", looked up in the
    image at start; `cwd`: made if missing; `hostname`: up to 63 characters; `binds`: resolv.conf, hosts,
    hostname and volumes; `rlimits`: "RLIMIT_NOFILE" → (soft, hard); `cgroups_path`: below the hierarchies' root.

    `groups`: supplementary ones by name or number, looked up like the user. `seccomp`: False for none, a
    `linux.seccomp` object for another than ours. `masked_paths`, `readonly_paths`: None for ours. `writable_kernel`:
    /sys and /sys/fs/cgroup can be written. `init`: a program on the host that becomes process 1 and runs `args`.
    `terminal`: it is 0, 1 and 2 of the process. `apparmor_required`: no start without its profile.
    `user_namespace`: users of the container's own, mapped to a range of the host's that the launcher chooses.
    `host_namespaces`: kinds that are the host's; `joined_namespaces`: kind → "container:ID", whose it is then.
    `shm`: "own", "none", or "shared" with whomever the IPC namespace is shared.
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
    seccomp: bool | Mapping[str, Any] = True
    user_namespace: bool = True
    shm_bytes: int = defaults.SHM_BYTES
    rlimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    sysctls: Mapping[str, str] = field(default_factory=lambda: dict(defaults.SYSCTLS))
    oom_score_adj: int | None = None
    cgroups_path: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    domainname: str = ""
    groups: Sequence[str] = ()
    masked_paths: Sequence[str] | None = None
    readonly_paths: Sequence[str] | None = None
    writable_kernel: bool = False
    tmpfs: Sequence[TmpfsMount] = ()
    devices: Sequence[DeviceNode] = ()
    apparmor_profile: str = ""
    apparmor_required: bool = False
    init: str | None = None
    terminal: bool = False
    host_namespaces: Collection[str] = ()
    joined_namespaces: Mapping[str, str] = field(default_factory=dict)
    shm: str = "own"


def standard_binds(container_dir: Path, *, read_only: bool = False) -> list[Bind]:
    """resolv.conf, hosts and hostname of the container's directory at their places in /etc.

    `read_only`: of a container whose root is, they are so too, as with Docker.
    """
    names = ("resolv.conf", "hosts", "hostname")
    return [Bind(str(container_dir / name), f"/etc/{name}", read_only=read_only) for name in names]


def build(settings: ProcessSettings) -> dict[str, Any]:
    """The specification's object, ready for json.dumps. InvalidArgument with detail["field"] if a value is wrong."""
    check(settings)
    caps = list(settings.capabilities)
    spec: dict[str, Any] = {
        "ociVersion": VERSION,
        "process": {
            "terminal": settings.terminal,
            "user": {"uid": 0, "gid": 0},
            "args": [INIT, "--", *settings.args] if settings.init else list(settings.args),
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
        "mounts": [
            *defaults.mounts(settings.shm_bytes, writable=settings.writable_kernel, shm=settings.shm),
            *(_mount(entry) for entry in _outer_first([*settings.binds, *settings.tmpfs])),
        ],
        "annotations": {**settings.annotations, USER_ANNOTATION: settings.user},
        "linux": {
            "namespaces": _namespaces(settings),
            "maskedPaths": defaults.masked_paths() if settings.masked_paths is None else list(settings.masked_paths),
            "readonlyPaths": list(
                defaults.READONLY_PATHS if settings.readonly_paths is None else settings.readonly_paths
            ),
            "sysctl": dict(settings.sysctls),
        },
    }
    if settings.hostname:
        spec["hostname"] = settings.hostname
    if settings.domainname:
        spec["domainname"] = settings.domainname
    if settings.groups:
        spec["annotations"][GROUPS_ANNOTATION] = " ".join(settings.groups)
    if settings.devices:
        spec["linux"]["devices"] = [_device(node) for node in settings.devices]
    if settings.apparmor_profile:
        spec["process"]["apparmorProfile"] = settings.apparmor_profile
        if settings.apparmor_required:
            spec["annotations"][REQUIRED_ANNOTATION] = "true"
    if settings.init:
        spec["mounts"].append(_bind(Bind(settings.init, INIT, read_only=True)))
    if settings.oom_score_adj is not None:
        spec["process"]["oomScoreAdj"] = settings.oom_score_adj
    if settings.cgroups_path:
        spec["linux"]["cgroupsPath"] = settings.cgroups_path
    if settings.seccomp:
        spec["linux"]["seccomp"] = default_profile(caps) if settings.seccomp is True else dict(settings.seccomp)
    return spec


def check(settings: ProcessSettings) -> None:
    """Raise InvalidArgument for the first setting that no start could succeed with."""
    if not settings.args:
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
    if settings.hostname and not HOST_NAME.fullmatch(settings.hostname):
        raise InvalidArgument(f"{settings.hostname!r} is not a host name", {"field": "hostname"})
    _check_isolation(settings)
    for bind in settings.binds:
        _check_target(bind.target, "volumes", bind.source)
    for mount in settings.tmpfs:
        _check_target(mount.target, "tmpfs")


def _check_isolation(settings: ProcessSettings) -> None:
    for capability in settings.capabilities:
        if capability not in capabilities.NUMBERS:
            raise InvalidArgument(f"{capability!r} is not a capability", {"field": "capabilities"})
    for name in settings.sysctls:
        if not _NAMESPACED_SYSCTL.fullmatch(name):
            raise InvalidArgument(
                f"the kernel setting {name!r} belongs to the whole machine or does not exist", {"field": "sysctls"}
            )


def _check_target(path: str, name: str, source: str = "") -> None:
    target = path.rstrip("/") or "/"
    if not target.startswith("/") or ".." in target.split("/"):
        raise InvalidArgument(f"{path!r} must be an absolute path without ..", {"field": name})
    if why := places.problem(posixpath.normpath(target), source):
        raise InvalidArgument(why, {"field": name})


def _namespaces(settings: ProcessSettings) -> list[dict[str, str]]:
    left_out = {*settings.host_namespaces, *(() if settings.user_namespace else ("user",))}
    return [
        {"type": name, **({"path": settings.joined_namespaces[name]} if name in settings.joined_namespaces else {})}
        for name in defaults.NAMESPACES
        if name not in left_out
    ]


def _environment(env: Sequence[str]) -> list[str]:
    """In order, a later value of a name replacing an earlier one; PATH is always there."""
    variables = {"PATH": defaults.PATH}
    for entry in env:
        name, _, value = entry.partition("=")
        variables[name] = value
    return [f"{name}={value}" for name, value in variables.items()]


def _outer_first(entries: Sequence[Bind | TmpfsMount]) -> list[Bind | TmpfsMount]:
    """/data before /data/below, or the outer one would hide the inner one."""
    return sorted(entries, key=lambda entry: entry.target.rstrip("/").count("/"))


def bind_entries(binds: Sequence[Bind]) -> list[dict[str, Any]]:
    """What the specification's `mounts` says of them, outer ones first."""
    return [_mount(entry) for entry in _outer_first(binds)]


def _mount(entry: Bind | TmpfsMount) -> dict[str, Any]:
    return _bind(entry) if isinstance(entry, Bind) else _tmpfs(entry)


def _bind(bind: Bind) -> dict[str, Any]:
    kind = "rbind" if bind.recursive else "bind"
    options = [kind, bind.propagation, *([] if bind.devices else ["nodev"]), *(["ro"] if bind.read_only else [])]
    entry: dict[str, Any] = {"destination": bind.target, "type": "bind", "source": bind.source, "options": options}
    if bind.is_exact:
        entry[SOURCE] = {"subpath": bind.subpath, "writable_below": bind.writable_below}
        if bind.root:
            entry[SOURCE]["root"] = bind.root
        if bind.image:
            entry[SOURCE]["image"] = bind.image
        if bind.hides:
            entry[SOURCE]["hides"] = list(bind.hides)
    return entry


def _tmpfs(entry: TmpfsMount) -> dict[str, Any]:
    """nosuid, nodev and noexec unless it says otherwise, as moby's; open to every user like /tmp."""
    given = list(entry.options)
    closed = [f"no{word}" for word in ("suid", "dev", "exec") if word not in given and f"no{word}" not in given]
    mode = [] if any(option.startswith("mode=") for option in given) else ["mode=1777"]
    return {"destination": entry.target, "type": "tmpfs", "source": "tmpfs", "options": [*closed, *mode, *given]}


def _device(node: DeviceNode) -> dict[str, Any]:
    return {
        "path": node.path,
        "type": node.kind,
        "major": node.major,
        "minor": node.minor,
        "fileMode": node.mode,
        "uid": node.uid,
        "gid": node.gid,
    }
