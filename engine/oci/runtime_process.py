"""`process` of the runtime specification: config.md "Process", config-linux.md where Linux adds to it."""

from __future__ import annotations

from engine.oci.fields import (
    Value,
    absolute_path,
    boolean,
    field,
    full_text,
    identity,
    int32,
    many,
    number,
    one_of,
    refuse,
    text,
    uint16,
    uint64,
)

CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)  # fmt: skip
"""By number, without "CAP_": linux/capability.h."""

RLIMITS = (
    "RLIMIT_AS", "RLIMIT_CORE", "RLIMIT_CPU", "RLIMIT_DATA", "RLIMIT_FSIZE", "RLIMIT_LOCKS", "RLIMIT_MEMLOCK",
    "RLIMIT_MSGQUEUE", "RLIMIT_NICE", "RLIMIT_NOFILE", "RLIMIT_NPROC", "RLIMIT_RSS", "RLIMIT_RTPRIO",
    "RLIMIT_RTTIME", "RLIMIT_SIGPENDING", "RLIMIT_STACK",
)  # fmt: skip

_capabilities = many(one_of(*(f"CAP_{name}" for name in CAPABILITIES)))


class Box(Value):
    """`consoleSize`, in characters."""

    height: int = field(uint16, required=True)
    width: int = field(uint16, required=True)


class User(Value):
    uid: int = field(identity, default=0)
    gid: int = field(identity, default=0)
    umask: int | None = field(number(0, 0o777), default=None)
    additional_gids: tuple[int, ...] = field(many(identity), default=())
    username: str = field(text, default="")


class Capabilities(Value):
    bounding: tuple[str, ...] = field(_capabilities, default=())
    effective: tuple[str, ...] = field(_capabilities, default=())
    permitted: tuple[str, ...] = field(_capabilities, default=())
    inheritable: tuple[str, ...] = field(_capabilities, default=())
    ambient: tuple[str, ...] = field(_capabilities, default=())

    def check(self, path: str) -> None:
        """capabilities(7): the kernel refuses an effective set that is not within the permitted one."""
        for index, name in enumerate(self.effective):
            if name not in self.permitted:
                raise refuse(f"{path}.effective[{index}]", f"{name} is not in permitted, so it can't be effective")


class Rlimit(Value):
    type: str = field(one_of(*RLIMITS), required=True)
    soft: int = field(uint64, required=True)
    hard: int = field(uint64, required=True)

    def check(self, path: str) -> None:
        if self.soft > self.hard:
            raise refuse(f"{path}.soft", f"{self.soft} is above the hard limit, {self.hard}")


class Scheduler(Value):
    """sched_setattr(2)."""

    policy: str = field(
        one_of("SCHED_OTHER", "SCHED_FIFO", "SCHED_RR", "SCHED_BATCH", "SCHED_ISO", "SCHED_IDLE", "SCHED_DEADLINE"),
        required=True,
    )
    nice: int = field(number(-20, 19), default=0)
    priority: int = field(int32, default=0)
    flags: tuple[str, ...] = field(
        many(
            one_of(
                "SCHED_FLAG_RESET_ON_FORK",
                "SCHED_FLAG_RECLAIM",
                "SCHED_FLAG_DL_OVERRUN",
                "SCHED_FLAG_KEEP_POLICY",
                "SCHED_FLAG_KEEP_PARAMS",
                "SCHED_FLAG_UTIL_CLAMP_MIN",
                "SCHED_FLAG_UTIL_CLAMP_MAX",
            )
        ),
        default=(),
    )
    runtime: int = field(uint64, default=0)
    deadline: int = field(uint64, default=0)
    period: int = field(uint64, default=0)

    def check(self, path: str) -> None:
        real_time = self.policy in ("SCHED_FIFO", "SCHED_RR")
        if real_time != (1 <= self.priority <= 99):
            raise refuse(f"{path}.priority", "is from 1 to 99 with SCHED_FIFO and SCHED_RR, else 0")
        if self.nice and self.policy not in ("SCHED_OTHER", "SCHED_BATCH"):
            raise refuse(f"{path}.nice", "is for SCHED_OTHER and SCHED_BATCH alone")
        for name in ("runtime", "deadline", "period"):
            if getattr(self, name) and self.policy != "SCHED_DEADLINE":
                raise refuse(f"{path}.{name}", "is for SCHED_DEADLINE alone")


class IOPriority(Value):
    """ioprio_set(2)."""

    io_class: str = field(one_of("IOPRIO_CLASS_RT", "IOPRIO_CLASS_BE", "IOPRIO_CLASS_IDLE"), key="class", required=True)
    priority: int = field(number(0, 7), default=0)


class CPUAffinity(Value):
    initial: str = field(text, default="")
    final: str = field(text, default="")


def environment(value: object, path: str) -> str:
    """NAME=value."""
    found = text(value, path)
    if not found.partition("=")[0] or "=" not in found:
        raise refuse(path, f"{found!r} does not have the form NAME=value")
    return found


class Process(Value):
    terminal: bool = field(boolean, default=False)
    console_size: Box | None = field(Box.read, default=None)
    user: User = field(User.read, default=User())
    args: tuple[str, ...] = field(many(text), default=())
    env: tuple[str, ...] = field(many(environment), default=())
    cwd: str = field(absolute_path, required=True)
    capabilities: Capabilities | None = field(Capabilities.read, default=None)
    rlimits: tuple[Rlimit, ...] = field(many(Rlimit.read), default=())
    no_new_privileges: bool = field(boolean, default=False)
    apparmor_profile: str = field(text, default="")
    oom_score_adj: int | None = field(number(-1000, 1000), default=None)
    selinux_label: str = field(text, default="")
    scheduler: Scheduler | None = field(Scheduler.read, default=None)
    io_priority: IOPriority | None = field(IOPriority.read, default=None)
    exec_cpu_affinity: CPUAffinity | None = field(CPUAffinity.read, key="execCPUAffinity", default=None)

    def check(self, path: str) -> None:
        if not self.args:
            raise refuse(f"{path}.args", "must name a program")
        full_text(self.args[0], f"{path}.args[0]")
        seen: set[str] = set()
        for index, limit in enumerate(self.rlimits):
            if limit.type in seen:
                raise refuse(f"{path}.rlimits[{index}].type", f"{limit.type} is there twice")
            seen.add(limit.type)
