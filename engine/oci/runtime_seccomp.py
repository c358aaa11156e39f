"""`linux.seccomp` of the runtime specification: config-linux.md "Seccomp"."""

from __future__ import annotations

from engine.oci.fields import Value, absolute_path, field, many, number, one_of, refuse, text, uint64

ACTIONS = (
    "SCMP_ACT_KILL", "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP", "SCMP_ACT_ERRNO",
    "SCMP_ACT_TRACE", "SCMP_ACT_ALLOW", "SCMP_ACT_LOG", "SCMP_ACT_NOTIFY",
)  # fmt: skip
ARCHITECTURES = (
    "SCMP_ARCH_X86", "SCMP_ARCH_X86_64", "SCMP_ARCH_X32", "SCMP_ARCH_ARM", "SCMP_ARCH_AARCH64", "SCMP_ARCH_MIPS",
    "SCMP_ARCH_MIPS64", "SCMP_ARCH_MIPS64N32", "SCMP_ARCH_MIPSEL", "SCMP_ARCH_MIPSEL64", "SCMP_ARCH_MIPSEL64N32",
    "SCMP_ARCH_PPC", "SCMP_ARCH_PPC64", "SCMP_ARCH_PPC64LE", "SCMP_ARCH_S390", "SCMP_ARCH_S390X", "SCMP_ARCH_PARISC",
    "SCMP_ARCH_PARISC64", "SCMP_ARCH_RISCV64", "SCMP_ARCH_LOONGARCH64", "SCMP_ARCH_M68K", "SCMP_ARCH_SH",
    "SCMP_ARCH_SHEB",
)  # fmt: skip
FLAGS = (
    "SECCOMP_FILTER_FLAG_TSYNC", "SECCOMP_FILTER_FLAG_LOG", "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
    "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
)  # fmt: skip
OPERATORS = (
    "SCMP_CMP_NE", "SCMP_CMP_LT", "SCMP_CMP_LE", "SCMP_CMP_EQ", "SCMP_CMP_GE", "SCMP_CMP_GT", "SCMP_CMP_MASKED_EQ",
)  # fmt: skip
MAXIMUM_ERRNO = 4095  # seccomp(2): the kernel answers with this one in the place of any above
_errno = number(0, 0xFFFF)


class Argument(Value):
    index: int = field(number(0, 5), required=True)
    value: int = field(uint64, required=True)
    value_two: int = field(uint64, default=0)
    op: str = field(one_of(*OPERATORS), required=True)


def _check_errno(action: str, errno_ret: int | None, path: str) -> None:
    if errno_ret is not None and action not in ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE"):
        raise refuse(path, f"has no meaning with {action}")
    if errno_ret is not None and action == "SCMP_ACT_ERRNO" and errno_ret > MAXIMUM_ERRNO:
        raise refuse(path, f"must be from 0 to {MAXIMUM_ERRNO}, not {errno_ret}")


class Syscall(Value):
    names: tuple[str, ...] = field(many(text), required=True)
    action: str = field(one_of(*ACTIONS), required=True)
    errno_ret: int | None = field(_errno, default=None)
    args: tuple[Argument, ...] = field(many(Argument.read), default=())

    def check(self, path: str) -> None:
        if not self.names:
            raise refuse(f"{path}.names", "must name at least one system call")
        _check_errno(self.action, self.errno_ret, f"{path}.errnoRet")


class Seccomp(Value):
    default_action: str = field(one_of(*ACTIONS), required=True)
    default_errno_ret: int | None = field(_errno, default=None)
    architectures: tuple[str, ...] = field(many(one_of(*ARCHITECTURES)), default=())
    flags: tuple[str, ...] = field(many(one_of(*FLAGS)), default=())
    listener_path: str = field(text, default="")
    listener_metadata: str = field(text, default="")
    syscalls: tuple[Syscall, ...] = field(many(Syscall.read), default=())

    def check(self, path: str) -> None:
        _check_errno(self.default_action, self.default_errno_ret, f"{path}.defaultErrnoRet")
        if self.listener_path:
            absolute_path(self.listener_path, f"{path}.listenerPath")
