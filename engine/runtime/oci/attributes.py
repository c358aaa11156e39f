"""What a process takes on before its program: personality, priorities, labels, identity, capabilities, filter."""

from __future__ import annotations

import errno
import os
import resource
import stat

from engine.bare import contextlib, struct
from engine.runtime import capabilities, kernel, procfs
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from engine.oci.runtime_linux import Personality
    from engine.oci.runtime_process import IOPriority, Process, Rlimit, Scheduler
    from engine.oci.runtime_seccomp import Seccomp

_PERSONAS = {"LINUX": 0x0000, "LINUX32": 0x0008}  # linux/personality.h
_IO_CLASSES = {"IOPRIO_CLASS_RT": 1, "IOPRIO_CLASS_BE": 2, "IOPRIO_CLASS_IDLE": 3}
_POLICIES = {"SCHED_OTHER": 0, "SCHED_FIFO": 1, "SCHED_RR": 2, "SCHED_BATCH": 3, "SCHED_ISO": 4, "SCHED_IDLE": 5,
             "SCHED_DEADLINE": 6}  # fmt: skip
_SCHED_FLAGS = {
    "SCHED_FLAG_RESET_ON_FORK": 0x01, "SCHED_FLAG_RECLAIM": 0x02, "SCHED_FLAG_DL_OVERRUN": 0x04,
    "SCHED_FLAG_KEEP_POLICY": 0x08, "SCHED_FLAG_KEEP_PARAMS": 0x10, "SCHED_FLAG_UTIL_CLAMP_MIN": 0x20,
    "SCHED_FLAG_UTIL_CLAMP_MAX": 0x40,
}  # fmt: skip
_PROCESSORS = 8192  # CONFIG_NR_CPUS is no more: arch/x86/Kconfig
_LIMITS = {"RLIMIT_LOCKS": 10}
_FILTER_FLAGS = {"SECCOMP_FILTER_FLAG_TSYNC": 1, "SECCOMP_FILTER_FLAG_LOG": 2, "SECCOMP_FILTER_FLAG_SPEC_ALLOW": 4}


def set_early(process: Process, personality: Personality | None) -> None:
    """What needs the caller's rights, and no program of the container yet."""
    if personality is not None:
        _named("linux.personality", lambda: kernel.set_personality(_PERSONAS[personality.domain]))
    if process.io_priority is not None:
        _io_priority(process.io_priority)
    if process.scheduler is not None:
        _scheduler(process.scheduler)


def _io_priority(wanted: IOPriority) -> None:
    value = _IO_CLASSES[wanted.io_class] << 13 | wanted.priority
    _named("process.ioPriority", lambda: kernel.set_io_priority(value))


def _scheduler(wanted: Scheduler) -> None:
    """struct sched_attr, linux/sched/types.h."""
    flags = sum(_SCHED_FLAGS[flag] for flag in set(wanted.flags))
    attributes = struct.pack(
        "=IIQiIQQQ", 48, _POLICIES[wanted.policy], flags, wanted.nice, wanted.priority,
        wanted.runtime, wanted.deadline, wanted.period,
    )  # fmt: skip
    try:
        kernel.set_scheduler(attributes)
    except OSError as error:
        hint = ""
        if error.errno == errno.EPERM and wanted.policy in ("SCHED_FIFO", "SCHED_RR"):
            hint = "; a control group of version 1 needs a linux.resources.cpu.realtimeRuntime for it"
        why = f"the kernel refuses {wanted.policy} here: {error.strerror}{hint}"
        raise Failure("permission_denied", f"process.scheduler: {why}") from None


def set_affinity(wanted: str, field: str) -> None:
    """execCPUAffinity: processors as a list such as 0-3,7; empty: no change. For exec alone, says the specification."""
    if not wanted:
        return
    processors: set[int] = set()
    for part in wanted.split(","):
        first, _, last = part.strip().partition("-")
        try:
            processors.update(range(int(first), int(last or first) + 1))
        except ValueError:
            raise Failure("invalid_argument", f"process.execCPUAffinity.{field}: {part!r} is no range") from None
    _named(f"process.execCPUAffinity.{field}", lambda: os.sched_setaffinity(0, processors))


def free_affinity() -> None:
    """Whatever processors the caller is bound to: a container is bound by its cpuset alone, as with runc."""
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, range(_PROCESSORS))  # the kernel leaves out what the cpuset does not have


def _named(field: str, call: Any) -> None:
    try:
        call()
    except OSError as error:
        raise Failure("permission_denied", f"{field}: the kernel refuses it here: {error.strerror}") from None


def set_labels(process: Process) -> None:
    """The label of the program to come; feasible.py has seen that the kernel has such labels."""
    has_apparmor = os.path.exists("/proc/self/attr/apparmor")
    if process.apparmor_profile and (has_apparmor or process.apparmor_profile != "unconfined"):
        path = "self/attr/apparmor/exec" if has_apparmor else "self/attr/exec"
        _label(path, f"exec {process.apparmor_profile}", "process.apparmorProfile")
    if process.selinux_label:
        _label("self/attr/exec", process.selinux_label, "process.selinuxLabel")


def _label(path: str, value: str, field: str) -> None:
    try:
        procfs.write(path, value)
    except FileNotFoundError:
        raise Failure("invalid_argument", f"{field}: the kernel does not know {value.removeprefix('exec ')}") from None
    except OSError as error:
        raise Failure("permission_denied", f"{field}: {error.strerror}") from None


def raise_limits(process: Process) -> None:
    """Raise hard limits with the caller's rights: in a user namespace nobody may."""
    for index, limit in enumerate(process.rlimits):
        number, hard = _limit(limit.type), _values(limit)[1]
        now, most = resource.getrlimit(number)
        if most != resource.RLIM_INFINITY and (hard == resource.RLIM_INFINITY or hard > most):
            try:
                resource.setrlimit(number, (now, hard))
            except (OSError, ValueError) as error:
                why = f"{limit.type}: {hard} is above this process's own hard limit, {most}: {error}"
                raise Failure("permission_denied", f"process.rlimits[{index}]: {why}") from None


def set_limits(process: Process) -> None:
    for index, limit in enumerate(process.rlimits):
        try:
            resource.setrlimit(_limit(limit.type), _values(limit))
        except (OSError, ValueError) as error:
            raise Failure("permission_denied", f"process.rlimits[{index}]: {limit.type}: {error}") from None


def _limit(name: str) -> int:
    """asm-generic/resource.h; Python's module lacks two of them."""
    return _LIMITS.get(name) or int(getattr(resource, name))


def _values(limit: Rlimit) -> tuple[int, int]:
    soft, hard = (-1 if value >= (1 << 63) - 1 else value for value in (limit.soft, limit.hard))
    return soft, hard


def set_oom_score(score: int, pid: int) -> None:
    """proc(5), /proc/pid/oom_score_adj; from outside, since a user namespace's root may not write its own."""
    try:
        with open(f"/proc/{pid}/oom_score_adj", "w") as file:
            file.write(str(score))
    except OSError as error:
        raise Failure("permission_denied", f"process.oomScoreAdj: {score}: {error.strerror}") from None


def filter_flags(seccomp: Seccomp | None) -> int:
    return sum(_FILTER_FLAGS[flag] for flag in set(seccomp.flags)) if seccomp else 0


def give_streams(uid: int, gid: int) -> None:
    """Standard streams to the process's user, as the peers do, or it could not open /dev/stderr again. Terminals have
    their owner already; what can't be given (a file of the host's in a user namespace) stays as it is.
    """
    for fd in (0, 1, 2):
        try:
            found = os.fstat(fd)
            if not stat.S_ISCHR(found.st_mode) and found.st_uid != uid:
                os.fchown(fd, uid, gid)
        except OSError:
            continue


def become(process: Process) -> None:
    """Identity, five capability sets and no_new_privs, in the order in which each is still allowed."""
    user, sets = process.user, process.capabilities
    bounding = capabilities.mask(sets.bounding) if sets else 0
    effective = capabilities.mask(sets.effective) if sets else 0
    permitted = capabilities.mask(sets.permitted) if sets else 0
    inheritable = capabilities.mask(sets.inheritable) if sets else 0
    for number in range(capabilities.last_capability() + 1):
        if not bounding >> number & 1:
            kernel.prctl("drop a capability", kernel.PR_CAPBSET_DROP, number)
    _take_identity(user.uid, user.gid, user.additional_gids)
    kernel.capset(effective, permitted, inheritable)
    # Ambient ones outside of these sets can't be raised (capabilities(7)); podman and `crun spec` list them anyway.
    ambient = (capabilities.mask(sets.ambient) if sets else 0) & permitted & inheritable
    for number in range(64):
        if ambient >> number & 1:
            kernel.prctl("raise a capability", kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_RAISE, number)
    os.umask(0o022 if user.umask is None else user.umask)
    if process.no_new_privileges:
        kernel.prctl("no_new_privs", kernel.PR_SET_NO_NEW_PRIVS, 1)


def _refused_groups(groups: tuple[int, ...], error: OSError) -> Failure:
    """The Failure that names the first which has no mapping, if that is what is wrong (EINVAL)."""
    for index, gid in enumerate(groups) if error.errno == errno.EINVAL else ():
        try:
            os.setgroups([gid])
        except OSError:
            why = f"{gid} has no mapping in the container's user namespace"
            return Failure("invalid_argument", f"process.user.additionalGids[{index}]: {why}")
    return Failure("permission_denied", f"process.user.additionalGids: groups can't be set here: {error.strerror}")


def _take_identity(uid: int, gid: int, groups: tuple[int, ...]) -> None:
    try:
        os.setgroups(sorted(set(groups)))
    except OSError as error:
        if groups:
            raise _refused_groups(groups, error) from None
    kernel.prctl("keep capabilities", kernel.PR_SET_KEEPCAPS, 1)
    for name, number, call in (("gid", gid, os.setresgid), ("uid", uid, os.setresuid)):
        try:
            call(number, number, number)
        except OSError:
            why = f"{number} has no mapping in the container's user namespace, or can't be taken on here"
            raise Failure("invalid_argument", f"process.user.{name}: {why}") from None
