"""What the answerer gives up before it reads the first packet: rights, files, processes, and most system calls.

With everything that a packet could make it do, it could ask for sockets of the internet protocols, read and write what
it has open, and end.
"""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import struct

_PR_SET_DUMPABLE, _PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 4, 22, 38
_MODE_FILTER = 2
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | 1  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO with EPERM
_LOAD, _IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # BPF_LD+W+ABS, BPF_JMP+JEQ+K, BPF_RET+K
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; little endian, the lower half
_FAMILIES = (2, 10)  # AF_INET, AF_INET6

# uname(2)'s machine → AUDIT_ARCH_…, the number of socket(2), and those of what else Python needs (asm/unistd.h).
_MACHINES: dict[str, tuple[int, int, tuple[int, ...]]] = {
    "x86_64": (
        0xC000003E,
        41,
        # read write close fstat poll lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask rt_sigreturn ioctl
        # sched_yield mremap madvise getpid connect accept sendto recvfrom sendmsg recvmsg shutdown getsockname
        # getpeername setsockopt getsockopt exit fcntl sigaltstack gettid futex restart_syscall clock_gettime
        # exit_group epoll_wait epoll_ctl ppoll epoll_pwait accept4 epoll_create1 getrandom rseq
        (0, 1, 3, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 24, 25, 28, 39, 42, 43, 44, 45, 46, 47, 48, 51, 52, 54, 55,
         60, 72, 131, 186, 202, 219, 228, 231, 232, 233, 271, 281, 288, 291, 318, 334),
    ),
    "aarch64": (
        0xC00000B7,
        198,
        # epoll_create1 epoll_ctl epoll_pwait fcntl ioctl close lseek read write ppoll fstat exit exit_group futex
        # clock_gettime sched_yield restart_syscall sigaltstack rt_sigaction rt_sigprocmask rt_sigreturn getpid gettid
        # accept connect getsockname getpeername sendto recvfrom setsockopt getsockopt shutdown sendmsg recvmsg brk
        # munmap mremap mmap mprotect madvise accept4 getrandom rseq
        (20, 21, 22, 25, 29, 57, 62, 63, 64, 73, 80, 93, 94, 98, 113, 124, 128, 132, 134, 135, 139, 172, 178, 202, 203,
         204, 205, 206, 207, 208, 209, 210, 211, 212, 214, 215, 216, 222, 226, 233, 242, 278, 293),
    ),
}  # fmt: skip


def lock_down(root: str, user: int) -> None:
    """Give up every right: an empty root, another user without capabilities, no new ones, no processes, few calls.

    Raises OSError.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    os.chroot(root)
    os.chdir("/")
    os.setgroups([])
    os.setresgid(user, user, user)
    os.setresuid(user, user, user)
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _prctl(libc, _PR_SET_DUMPABLE, 0)  # nobody else looks into it
    _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
    code = program(platform.machine())
    if code:
        instructions = ctypes.create_string_buffer(code)
        described = struct.pack("@HP", len(code) // 8, ctypes.addressof(instructions))  # struct sock_fprog
        _prctl(libc, _PR_SET_SECCOMP, _MODE_FILTER, ctypes.create_string_buffer(described))


def program(machine: str) -> bytes:
    """The filter (seccomp(2)) for this machine; empty where we don't know its numbers."""
    if machine not in _MACHINES:
        return b""
    architecture, socket_number, allowed = _MACHINES[machine]
    checks = [_if_equal(number, len(allowed) - at) for at, number in enumerate(allowed)]  # over the refusal below
    families = [_if_equal(family, len(_FAMILIES) - at) for at, family in enumerate(_FAMILIES)]
    return b"".join(
        [
            _instruction(_LOAD, 0, 0, _ARCHITECTURE),
            _if_equal(architecture, 1),
            _instruction(_RETURN, 0, 0, _REFUSE),
            _instruction(_LOAD, 0, 0, _NUMBER),
            _if_equal(socket_number, len(checks) + 2),
            *checks,
            _instruction(_RETURN, 0, 0, _REFUSE),
            _instruction(_RETURN, 0, 0, _ALLOW),
            _instruction(_LOAD, 0, 0, _FIRST_ARGUMENT),
            *families,
            _instruction(_RETURN, 0, 0, _REFUSE),
            _instruction(_RETURN, 0, 0, _ALLOW),
        ]
    )


def _if_equal(value: int, passing_over: int) -> bytes:
    return _instruction(_IF_EQUAL, passing_over, 0, value)


def _instruction(code: int, then: int, otherwise: int, value: int) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)


def _prctl(libc: ctypes.CDLL, option: int, *arguments: object) -> None:
    padded = [*arguments, *([0] * (4 - len(arguments)))]
    if libc.prctl(option, *padded) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
