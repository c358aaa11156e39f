"""From a request's options to the settings of its process: what it may do, see and touch.

The words are read by `engine.options`; here they meet this host: its kernel, its devices.
"""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

from engine.containers import host_devices, sharing
from engine.containers.process import ProcessPlan
from engine.containers.spec import ContainerSpec
from engine.errors import EngineError, InvalidArgument, Unsupported
from engine.oci.runtime_process import CAPABILITIES
from engine.options import capabilities, modes, seccomp, security, values
from engine.runtime import defaults
from engine.runtime.apparmor import host, loading, profile
from engine.runtime.init import TERM_ANNOTATION
from engine.runtime.rootfs import MOUNT_TABLE_ANNOTATION
from engine.runtime.spec import Bind, ProcessSettings, TmpfsMount


def settings(spec: ContainerSpec, plan: ProcessPlan, binds: Sequence[Bind], init: str | None) -> ProcessSettings:
    """`init`: the host's path of the program for process 1, where the request wants one.

    Raises InvalidArgument or Unsupported, with the field's name, for what this host can't do.
    """
    kept = _kept(spec)
    options = _read(spec)
    wanted = ProcessSettings(
        args=plan.args,
        env=plan.env,
        user=plan.user,
        cwd=plan.cwd,
        hostname="" if spec.uts == modes.HOST else plan.hostname,
        domainname=spec.domainname or "",
        read_only_root=spec.read_only,
        binds=binds,
        capabilities=kept,
        no_new_privileges=security.keeps_privileges(options, privileged=spec.privileged),
        seccomp=_seccomp(options, kept, privileged=spec.privileged),
        shm_bytes=spec.shm_size or defaults.SHM_BYTES,
        rlimits={limit.name: (limit.soft, limit.hard) for limit in map(values.ulimit, spec.ulimits)},
        sysctls=_sysctls(spec),
        oom_score_adj=spec.oom_score_adj,
        groups=spec.group_add,
        tmpfs=[TmpfsMount(entry.path, entry.options) for entry in map(values.tmpfs, spec.tmpfs)],
        devices=host_devices.given(spec.devices),
        apparmor_profile=_apparmor(options, privileged=spec.privileged),
        apparmor_required=options.apparmor is not None,
        init=init,
        terminal=spec.tty,
        annotations={
            **spec.annotations,
            MOUNT_TABLE_ANNOTATION: "true",
            **({TERM_ANNOTATION: "true"} if plan.has_usual_term else {}),
        },
        **sharing.namespaces(spec),
    )
    masked, read_only = _paths(options, privileged=spec.privileged)
    wanted = replace(wanted, masked_paths=masked, readonly_paths=read_only)
    if spec.privileged:
        asked = {node.path for node in wanted.devices}
        every = [node for node in host_devices.every() if node.path not in asked]
        wanted = replace(wanted, devices=[*every, *wanted.devices], writable_kernel=True)
    return wanted


def _sysctls(spec: ContainerSpec) -> dict[str, str]:
    """Ours are for a network of the container's own."""
    usual = defaults.SYSCTLS if spec.network in (modes.BRIDGE, modes.NONE) else {}
    return {**usual, **{values.sysctl(name): value for name, value in spec.sysctls.items()}}


def _kept(spec: ContainerSpec) -> tuple[str, ...]:
    """Who starts a container can't give away more than it has: ALL is all of that, a name beyond it is refused."""
    wanted = capabilities.kept(spec.cap_add, spec.cap_drop, privileged=spec.privileged)
    ours = _permitted()
    named = {capabilities.name_of(text) for text in spec.cap_add}
    missing = sorted(named & set(wanted) - ours)
    if missing:
        raise Unsupported(
            f"cap_add: Portside itself hasn't {', '.join(missing)} on this host, so no container can have it",
            {"field": "cap_add"},
        )
    return tuple(f"CAP_{name}" for name in wanted if name in ours)


@cache
def _permitted() -> frozenset[str]:
    """The capabilities that this process has; it never gives one up, and nobody else can take it one."""
    with open("/proc/self/status") as file:
        permitted = int(next(line for line in file if line.startswith("CapPrm:")).split()[1], 16)
    return frozenset(name for number, name in enumerate(CAPABILITIES) if permitted >> number & 1)


def _read(spec: ContainerSpec) -> security.Security:
    options = security.parse(spec.security_opt)
    if options.label and options.label != ("disable",):
        raise _cannot(f"label={options.label[0]}: SELinux labels are not supported; leave it out")
    return options


def _seccomp(options: security.Security, kept: tuple[str, ...], *, privileged: bool) -> bool | dict[str, Any]:
    if options.seccomp is None:
        return not privileged
    if isinstance(options.seccomp, str):
        return False
    machine = os.uname()
    try:
        return seccomp.for_container(
            options.seccomp, capabilities=kept, machine=machine.machine, kernel=machine.release
        )
    except EngineError as error:
        raise InvalidArgument(f"security_opt: {error.message}", {"field": "security_opt"}) from error


def _apparmor(options: security.Security, *, privileged: bool) -> str:
    """Ours unless it says otherwise: whether it can be had is asked at each start (`engine.runtime.apparmor`).

    Who asks for a profile by name, ours as any other, has it or a refusal.
    """
    if options.apparmor is None:
        return "" if privileged else profile.NAME
    if options.apparmor == "unconfined":
        return ""
    if not host.is_enabled():
        raise _cannot(f"apparmor={options.apparmor}: this host's kernel has no AppArmor; leave it out")
    loaded = host.loaded()
    if options.apparmor == profile.NAME:
        if profile.NAME not in (loaded or ()) and (why := loading.obstacle()):
            raise loading.refusal(why)
    elif loaded is not None and options.apparmor not in loaded:
        raise _cannot(
            f"apparmor={options.apparmor}: this host has no such profile; load it with apparmor_parser, or leave it "
            f"out for {profile.NAME}"
        )
    return options.apparmor


def _paths(options: security.Security, *, privileged: bool) -> tuple[list[str], list[str]]:
    """Masked and read-only ones, as podman's mask= and unmask= change them: unmask takes shell patterns."""
    if privileged or options.systempaths_unconfined or "ALL" in options.unmask:
        return list(options.mask), []
    masked = [path for path in defaults.masked_paths() if not _matches(path, options.unmask)]
    read_only = [path for path in defaults.READONLY_PATHS if not _matches(path, options.unmask)]
    return [*masked, *options.mask], read_only


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern.rstrip("/")) for pattern in patterns)


def _cannot(message: str) -> Unsupported:
    return Unsupported(f"security_opt: {message}", {"field": "security_opt"})
