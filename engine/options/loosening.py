"""What a request loosens and tightens against what every container gets, in the words that people see."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import InvalidArgument
from engine.oci.runtime_process import CAPABILITIES
from engine.options import capabilities, modes, mounts, security, volume_options
from engine.options.wishes import Wishes

OWN_RUNTIME = "portside"
HOST_USERS = "user namespace of the host"
NO_APPARMOR = "AppArmor off"
_SHARED = {
    "network": "network",
    "pid": "processes",
    "ipc": "IPC",
    "uts": "host name",
    "cgroupns": "control groups",
}
"""What people call the namespaces of each kind."""


def loosened(wishes: Wishes) -> list[str]:
    """Short words, the gravest first; empty for what is as tight as ours are. A request that can't be read: []."""
    try:
        return list(_loosened(wishes))
    except InvalidArgument:
        return []


def tightened(wishes: Wishes) -> list[str]:
    """Short words on what is tighter than it would be unasked."""
    try:
        return list(_tightened(wishes))
    except InvalidArgument:
        return []


def needing_a_right(wishes: Wishes) -> list[tuple[str, str]]:
    """(field, what) of all that reaches beyond what Docker gives to everybody; the request has been checked."""
    return list(_needing(wishes))


def _loosened(wishes: Wishes) -> Iterator[str]:
    options = security.parse(wishes.security_opt)
    if wishes.privileged:
        yield "privileged"
    else:
        yield from _loosened_walls(wishes, options)
    yield from _loosened_namespaces(wishes)
    yield from (what for _, what in _host_paths(wishes))
    if options.no_new_privileges is False:
        yield "new privileges allowed"
    if wishes.pids_limit == -1:
        yield "processes unlimited"
    if wishes.oom_kill_disable:
        yield "never killed for memory"
    if wishes.oom_score_adj is not None and wishes.oom_score_adj < 0:
        yield f"OOM score {wishes.oom_score_adj}"
    if wishes.runtime != OWN_RUNTIME:
        yield f"runtime {wishes.runtime}"


def _host_paths(wishes: Wishes) -> Iterator[tuple[str, str]]:
    """(field, what) of the host's own files that it is given."""
    for name, read, texts in (("volumes", mounts.volume, wishes.volumes), ("mounts", mounts.mount, wishes.mounts)):
        for found in map(read, texts):
            outside = volume_options.reaches_out(found.driver_opts)
            if found.kind == mounts.BIND or outside:
                yield name, outside or f"the host's {found.source}"


def _loosened_namespaces(wishes: Wishes) -> Iterator[str]:
    for kind in modes.of_host(wishes):
        yield f"{_SHARED[kind]} of the host"
    for kind, container in modes.targets(wishes).items():
        yield f"{_SHARED[kind]} of container {container[:12]}"


def _loosened_walls(wishes: Wishes, options: security.Security) -> Iterator[str]:
    """What privileged contains."""
    if not modes.wants_own_users(wishes):
        yield HOST_USERS
    if options.seccomp == "unconfined":
        yield "seccomp off"
    elif options.seccomp is not None:
        yield "seccomp profile of its own"
    if options.systempaths_unconfined or "ALL" in options.unmask:
        yield "system paths unmasked"
    else:
        yield from (f"{path} unmasked" for path in options.unmask)
    added = set(capabilities.kept(wishes.cap_add, wishes.cap_drop)) - set(capabilities.DEFAULT)
    if len(added) == len(CAPABILITIES) - len(capabilities.DEFAULT):
        yield "+ALL"
    else:
        yield from (f"+{name}" for name in sorted(added))
    yield from (f"device {text.partition(':')[0]}" for text in wishes.devices)
    yield from (f"devices {rule}" for rule in wishes.device_cgroup_rules)
    if options.apparmor == "unconfined":
        yield NO_APPARMOR
    elif _has_another_profile(options):
        yield f"AppArmor profile {options.apparmor}"
    if "disable" in options.label:
        yield "SELinux off"


def _has_another_profile(options: security.Security) -> bool:
    """What it holds is not known: distributions load many that confine nothing (apparmor.d(5), flags=(unconfined))."""
    return options.apparmor not in (None, "unconfined", security.OWN_APPARMOR)


def _tightened(wishes: Wishes) -> Iterator[str]:
    options = security.parse(wishes.security_opt)
    if wishes.read_only:
        yield "read-only root"
    if not wishes.privileged:
        kept = capabilities.kept(wishes.cap_add, wishes.cap_drop)
        dropped = [name for name in capabilities.DEFAULT if name not in kept]
        if not kept:
            yield "no capabilities"
        elif len(dropped) == len(capabilities.DEFAULT):
            yield "−all default capabilities"  # noqa: RUF001 - a minus, as wide as the + of what is added
        else:
            yield from (f"−{name}" for name in dropped)  # noqa: RUF001
        yield from (f"{path} masked" for path in options.mask)
    elif options.apparmor == security.OWN_APPARMOR:
        yield f"AppArmor {options.apparmor}"


def _needing(wishes: Wishes) -> Iterator[tuple[str, str]]:
    options = security.parse(wishes.security_opt)
    if wishes.privileged:
        yield "privileged", "a privileged container"
    if wishes.userns == "host":
        yield "userns", "the host's user namespace"
    for kind in modes.of_host(wishes):
        yield kind, f"the host's {_SHARED[kind]}"
    yield from _host_paths(wishes)
    extra = set(capabilities.kept(wishes.cap_add, wishes.cap_drop)) - capabilities.DOCKER_DEFAULT
    if extra:
        yield "cap_add", f"capabilities beyond Docker's default ({', '.join(sorted(extra)[:5])})"
    if wishes.devices or wishes.device_cgroup_rules:
        yield "devices" if wishes.devices else "device_cgroup_rules", "devices of the host"
    if options.seccomp is not None:
        yield "security_opt", "another seccomp profile"
    if options.systempaths_unconfined or options.unmask:
        yield "security_opt", "unmasked system paths"
    if options.apparmor == "unconfined" or "disable" in options.label:
        yield "security_opt", "a container without AppArmor or SELinux"
    elif _has_another_profile(options):
        yield "security_opt", "another AppArmor profile"
    if wishes.oom_kill_disable or (wishes.oom_score_adj is not None and wishes.oom_score_adj < 0):
        name = "oom_kill_disable" if wishes.oom_kill_disable else "oom_score_adj"
        yield name, "memory taken from the rest of the host"
