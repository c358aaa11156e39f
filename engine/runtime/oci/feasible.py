"""What this kernel, this machine or these rights can't do, refused by the field's name before anything is created.

Never ignored: a container that asked for a label and runs without one is less isolated than its owner thinks.
"""

from __future__ import annotations

import os

from engine.runtime.apparmor import host
from engine.runtime.oci.namespaces import FILES
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.oci.runtime_linux import Linux, Namespace
    from engine.oci.runtime_process import Process
    from engine.oci.runtime_spec import Spec

_NEW = "leave out its path for a new one, or name another container's"
_ARCHITECTURES = {"x86_64": "SCMP_ARCH_X86_64", "aarch64": "SCMP_ARCH_AARCH64"}
# Settings of a namespace: namespaces(7). Any other is the whole machine's.
_BY_NAMESPACE = {"net.": "network", "fs.mqueue.": "ipc", "kernel.shm": "ipc", "kernel.msg": "ipc", "kernel.sem": "ipc",
                 "kernel.domainname": "uts", "kernel.hostname": "uts", "user.": "user"}  # fmt: skip


def check(spec: Spec) -> None:
    """Raise Failure (family unsupported or permission_denied) for the first field that can't be had here."""
    linux = spec.linux
    kinds = {namespace.type: namespace for namespace in linux.namespaces}
    if "mount" not in kinds:
        raise _no("linux.namespaces", "without a mount namespace the container's mounts would be the host's")
    if kinds["mount"].path:
        raise _no("linux.namespaces", "a root file system can't be made in a mount namespace that others live in")
    for index, namespace in enumerate(linux.namespaces):
        if not os.path.exists(f"/proc/self/ns/{FILES[namespace.type]}"):
            raise _no(f"linux.namespaces[{index}]", f"this kernel has no {namespace.type} namespaces")
    for index, mount in enumerate(spec.mounts):
        if os.path.normpath(f"/{mount.destination}").strip("/") == "" and mount.type:
            raise _no(f"mounts[{index}].destination", "nothing is mounted over the root, which root.path is for")
    _check_labels(spec)
    _check_seccomp(linux)
    _check_settings(linux)
    _check_names(spec)
    if spec.process is not None:
        check_process(spec.process)


def check_process(process: Process) -> None:
    """The part of `check` that a process of `exec` needs too."""
    if process.apparmor_profile not in ("", "unconfined"):
        if not host.is_enabled():
            raise _no("process.apparmorProfile", "this kernel has no AppArmor")
        _check_profile(process.apparmor_profile)
    if process.selinux_label and not _has_selinux():
        raise _no("process.selinuxLabel", "this kernel has no SELinux")


def _check_labels(spec: Spec) -> None:
    if spec.linux.mount_label and not _has_selinux():
        raise _no("linux.mountLabel", "this kernel has no SELinux")
    if spec.linux.memory_policy is not None:
        raise _no("linux.memoryPolicy", "version 1.3 of the specification has it, this runtime speaks 1.2")
    if spec.linux.intel_rdt is not None:
        raise _no("linux.intelRdt", "there is no resctrl file system, or not for this runtime yet")


def _check_profile(name: str) -> None:
    """Refuse one that is not loaded; namespaces and stacks of profiles (apparmor(7)) are left to the kernel."""
    loaded = host.loaded()
    if loaded is None:  # so the kernel is asked when the container starts
        return
    if name not in loaded and ":" not in name and "//" not in name:
        why = f"the profile {name} is not loaded; load it with apparmor_parser, or choose another"
        raise Failure("invalid_argument", f"process.apparmorProfile: {why}")


def _has_selinux() -> bool:
    return os.path.exists("/sys/fs/selinux/enforce")


def _check_seccomp(linux: Linux) -> None:
    seccomp = linux.seccomp
    if seccomp is None:
        return
    notify = "SCMP_ACT_NOTIFY hands calls to another process, which this runtime does not do"
    if seccomp.default_action == "SCMP_ACT_NOTIFY":
        raise _no("linux.seccomp.defaultAction", notify)
    for index, rule in enumerate(seccomp.syscalls):
        if rule.action == "SCMP_ACT_NOTIFY":
            raise _no(f"linux.seccomp.syscalls[{index}].action", notify)
    if seccomp.listener_path:
        raise _no("linux.seccomp.listenerPath", notify)
    if "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV" in seccomp.flags:
        index = seccomp.flags.index("SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV")
        raise _no(f"linux.seccomp.flags[{index}]", notify)
    if os.uname().machine not in _ARCHITECTURES:
        raise _no("linux.seccomp", f"there is no table of system calls for {os.uname().machine}")


def _check_settings(linux: Linux) -> None:
    kinds = {namespace.type: namespace for namespace in linux.namespaces}
    for name in linux.sysctl:
        dotted = name.replace("/", ".")
        owner = next((kind for prefix, kind in _BY_NAMESPACE.items() if dotted.startswith(prefix)), None)
        if owner is None:
            raise _no(f"linux.sysctl[{name!r}]", "this setting is the whole machine's, not a container's")
        if owner not in kinds:
            raise _no(f"linux.sysctl[{name!r}]", f"needs a {owner} namespace in linux.namespaces, or it is the host's")
        if _is_own(kinds[owner]):
            raise _no(f"linux.sysctl[{name!r}]", f"the {owner} namespace in linux.namespaces is the host's: {_NEW}")
    if linux.net_devices and _is_own(kinds["network"]):
        raise _no("linux.netDevices", f"the network namespace in linux.namespaces is the host's: {_NEW}")


def _is_own(namespace: Namespace) -> bool:
    """Whether it is joined by path and is the one that this runtime lives in: to be listed alone isolates nothing."""
    if not namespace.path:
        return False
    try:
        joined, own = os.stat(namespace.path), os.stat(f"/proc/self/ns/{FILES[namespace.type]}")
    except OSError:  # namespaces.open_paths says what is wrong with the path
        return False
    return (joined.st_dev, joined.st_ino) == (own.st_dev, own.st_ino)


def _check_names(spec: Spec) -> None:
    """A name may not be said twice, lest it is one for a part of the container's life and then another; nor may it
    become the host's.
    """
    shared = any(namespace.type == "uts" and _is_own(namespace) for namespace in spec.linux.namespaces)
    for field, wanted in (("hostname", spec.hostname), ("domainname", spec.domainname)):
        if wanted and shared:
            raise _no(field, f"the uts namespace in linux.namespaces is the host's: {_NEW}")
    for name, value in spec.linux.sysctl.items():
        dotted = name.replace("/", ".")
        if dotted == "kernel.hostname":
            raise _no(f"linux.sysctl[{name!r}]", "the host name is set by the field hostname")
        if dotted == "kernel.domainname" and spec.domainname and value != spec.domainname:
            raise _no(f"linux.sysctl[{name!r}]", f"contradicts the field domainname, {spec.domainname!r}")


def _no(field: str, why: str) -> Failure:
    return Failure("unsupported", f"{field}: {why}")
