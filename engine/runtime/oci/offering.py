"""features and spec: what this runtime can do (features.md of the specification), and a config.json to begin with."""

from __future__ import annotations

from engine.oci import runtime_process, runtime_seccomp, runtime_spec
from engine.runtime import defaults
from engine.runtime.capabilities import DEFAULT
from engine.runtime.oci import mount_options, namespaces, rights

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_HOOKS = ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")


def features() -> dict[str, Any]:
    options = set(mount_options.FLAGS) | {f"r{name}" for name in mount_options.FLAGS}
    options |= set(mount_options.PROPAGATIONS) | {f"r{name}" for name in mount_options.PROPAGATIONS}
    options |= {"bind", "rbind", "defaults", "idmap", "ridmap", "tmpcopyup"}
    return {
        "ociVersionMin": "1.0.0",
        "ociVersionMax": runtime_spec.VERSION,
        "hooks": list(_HOOKS),
        "mountOptions": sorted(options),
        "linux": {
            "namespaces": sorted(namespaces.FLAGS),
            "capabilities": [f"CAP_{name}" for name in runtime_process.CAPABILITIES],
            "cgroup": {"v1": True, "v2": True, "systemd": False, "systemdUser": False, "rdma": True},
            "seccomp": {
                "enabled": True,
                "actions": [action for action in runtime_seccomp.ACTIONS if action != "SCMP_ACT_NOTIFY"],
                "operators": list(runtime_seccomp.OPERATORS),
                "archs": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_X86_64"],
                "knownFlags": list(runtime_seccomp.FLAGS),
                "supportedFlags": list(runtime_seccomp.FLAGS[:3]),
            },
            "apparmor": {"enabled": True},
            "selinux": {"enabled": True},
            "intelRdt": {"enabled": False},
            "mountExtensions": {"idmap": {"enabled": True}},
            "netDevices": {"enabled": True},
        },
        "annotations": {},
        "potentiallyUnsafeConfigAnnotations": [],
    }


def example(*, rootless: bool) -> dict[str, Any]:
    """A shell with a terminal in ./rootfs, as tight as Portside's own containers."""
    import os

    kinds = ["pid", "network", "ipc", "uts", "mount", "cgroup", *(["user"] if rootless else [])]
    linux: dict[str, Any] = {
        "namespaces": [{"type": kind} for kind in kinds],
        "resources": {} if rootless else {"pids": {"limit": defaults.PIDS_LIMIT}},
        "maskedPaths": defaults.masked_paths(),
        "readonlyPaths": list(defaults.READONLY_PATHS),
    }
    if rootless:
        # Who may not mount comes back as root of a user namespace, since nobody else can use the file.
        user, group = (os.geteuid(), os.getegid()) if rights.may_mount() else (0, 0)
        linux["uidMappings"] = [{"containerID": 0, "hostID": user, "size": 1}]
        linux["gidMappings"] = [{"containerID": 0, "hostID": group, "size": 1}]
    caps = list(DEFAULT)
    return {
        "ociVersion": runtime_spec.VERSION,
        "process": {
            "terminal": True,
            "user": {"uid": 0, "gid": 0},
            "args": ["sh"],
            "env": [f"PATH={defaults.PATH}", "TERM=xterm"],
            "cwd": "/",
            "capabilities": {"bounding": caps, "effective": caps, "permitted": caps},
            "rlimits": [{"type": "RLIMIT_NOFILE", "soft": 1024, "hard": 1024}],
            "noNewPrivileges": True,
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "portside",
        "mounts": [_of_nobody(mount) for mount in defaults.mounts()] if rootless else defaults.mounts(),
        "linux": linux,
    }


def _of_nobody(mount: dict[str, Any]) -> dict[str, Any]:
    """Without owners: the caller's own id is the only one that is mapped."""
    options = [option for option in mount["options"] if not option.startswith(("uid=", "gid="))]
    return {**mount, "options": options}
