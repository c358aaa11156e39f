"""Every system call that Python's os module lacks, through one door.

A call raises OSError with the call's name as its "file name", so that a message says which step failed. The
library is loaded by PyDLL: callers are single-threaded, and giving up the interpreter lock around a clone would
leave it in an undefined state in the child. Numbers: Linux include/uapi; those above 423 are the same everywhere.
"""

from __future__ import annotations

import errno
import os

from engine.bare import ctypes, signal, struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_libc = ctypes.PyDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_prctl = ctypes.PyDLL(None, use_errno=True).prctl  # another than `_libc.prctl`, with numbers for all its arguments
_prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]

_X86 = os.uname().machine == "x86_64"
NR_PIVOT_ROOT = 155 if _X86 else 41
NR_CAPSET = 126 if _X86 else 91
NR_RT_SIGACTION, NR_RT_SIGPROCMASK = (13, 14) if _X86 else (134, 135)
NR_CLONE = 56 if _X86 else 220
NR_KEYCTL = 250 if _X86 else 219
NR_SECCOMP = 317 if _X86 else 277
NR_OPEN_TREE, NR_MOVE_MOUNT, NR_FSOPEN, NR_FSCONFIG, NR_FSMOUNT = 428, 429, 430, 431, 432
NR_CLONE3, NR_CLOSE_RANGE, NR_OPENAT2, NR_MOUNT_SETATTR = 435, 436, 437, 442
NR_PIDFD_GETFD = 438
NR_IOPRIO_SET = 251 if _X86 else 30
NR_SCHED_SETATTR = 314 if _X86 else 274
NR_BPF = 321 if _X86 else 280
NR_ARCH_PRCTL = 158  # of x86-64 alone
NR_MMAP, NR_MPROTECT, NR_BRK = (9, 10, 12) if _X86 else (222, 226, 214)

AT_FDCWD = -100
AT_EMPTY_PATH = 0x1000
AT_RECURSIVE = 0x8000

CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWPID, CLONE_NEWNET = 0x20000000, 0x40000000
CLONE_NEWTIME, CLONE_NEWUSER, CLONE_PARENT = 0x80, 0x10000000, 0x8000
CLONE_CLEAR_SIGHAND, CLONE_INTO_CGROUP = 0x100000000, 0x200000000

MS_RDONLY, MS_NODEV, MS_REC, MS_PRIVATE = 0x1, 0x4, 0x4000, 1 << 18
MS_UNBINDABLE, MS_SLAVE, MS_SHARED = 1 << 17, 1 << 19, 1 << 20
MNT_DETACH = 2
MOUNT_ATTR_RDONLY, MOUNT_ATTR_NOSUID, MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC = 0x1, 0x2, 0x4, 0x8
MOUNT_ATTR__ATIME, MOUNT_ATTR_NOATIME, MOUNT_ATTR_STRICTATIME, MOUNT_ATTR_NODIRATIME = 0x70, 0x10, 0x20, 0x80
MOUNT_ATTR_IDMAP, MOUNT_ATTR_NOSYMFOLLOW = 0x100000, 0x200000

RESOLVE_NO_XDEV, RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS = 0x01, 0x02, 0x04
RESOLVE_BENEATH, RESOLVE_IN_ROOT = 0x08, 0x10

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS, PR_SET_NAME = 1, 4, 8, 15
PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP = 28, 4
PR_CAPBSET_DROP, PR_SET_CHILD_SUBREAPER, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 24, 36, 38, 47
PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_CLEAR_ALL = 2, 4

PROT_READ, PROT_WRITE, PROT_EXEC = 1, 2, 4
_MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS = 0x02, 0x10, 0x20
_PR_SET_MM, _PR_SET_MM_MAP = 35, 14
_MADV_POPULATE_WRITE, _PAGE_BYTES = 23, 4096

_FSCONFIG_SET_FLAG, _FSCONFIG_SET_STRING, _FSCONFIG_SET_FD, _FSCONFIG_CMD_CREATE = 0, 1, 5, 6
_OPEN_TREE_CLONE, _OPEN_TREE_CLOEXEC = 1, 0o2000000
_MOVE_MOUNT_F_EMPTY_PATH, _MOVE_MOUNT_T_EMPTY_PATH = 0x4, 0x40


def _call(name: str, number: int, *arguments: int | bytes | None) -> int:
    """`syscall(2)`; numbers travel as C long (ctypes' own choice, int, would cut them to 32 bits)."""
    result: int = _syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result < 0:
        _fail(name)
    return result


def _fail(name: str) -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number), name)


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """mount(2)."""
    if _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()):
        _fail(f"mount {target}")


def umount_detach(target: str) -> None:
    """umount2(2) with MNT_DETACH."""
    if _libc.umount2(target.encode(), MNT_DETACH):
        _fail(f"umount {target}")


def pivot_root(new_root: str, put_old: str) -> None:
    """pivot_root(2)."""
    _call("pivot_root", NR_PIVOT_ROOT, new_root.encode(), put_old.encode())


def unshare(flags: int) -> None:
    """unshare(2)."""
    if _libc.unshare(ctypes.c_int(flags)):
        _fail("unshare")


def setns(fd: int, kind: int) -> None:
    """setns(2)."""
    if _libc.setns(ctypes.c_int(fd), ctypes.c_int(kind)):
        _fail("setns")


def prctl(name: str, option: int, second: int = 0, third: int = 0) -> None:
    """prctl(2); `name` says in an error what was tried."""
    if _prctl(option, second, third, 0, 0):
        _fail(name)


def clone3(flags: int, exit_signal: int, cgroup_fd: int | None = None) -> int:
    """clone3(2) like fork: 0 in the child. `cgroup_fd`: a cgroup2 directory that the child starts in.

    Python's after-fork hooks do not run: only for a single-threaded caller whose child execs or exits.
    """
    if cgroup_fd is not None:
        flags |= CLONE_INTO_CGROUP
    arguments = struct.pack("=11Q", flags, 0, 0, 0, exit_signal, 0, 0, 0, 0, 0, cgroup_fd or 0)
    buffer = ctypes.create_string_buffer(arguments, len(arguments))
    result: int = _syscall(ctypes.c_long(NR_CLONE3), buffer, ctypes.c_long(len(arguments)))
    if result < 0:
        _fail("clone3")
    return result


def clone_sibling() -> int:
    """clone(2) with CLONE_PARENT: 0 in a new process whose parent is the caller's. As for `clone3`.

    By the old call, since containers' filters refuse clone3 (they can't see its flags).
    """
    return _call("clone", NR_CLONE, CLONE_PARENT, None, None, None, None)


def close_range(first: int, last: int = 0xFFFFFFFF, *, on_exec: bool = False) -> None:
    """close_range(2): close all descriptors from `first` to `last`, or mark them to be closed at exec."""
    _call("close_range", NR_CLOSE_RANGE, first, last, 4 if on_exec else 0)


def close_all_but(kept: list[int]) -> None:
    """Close every descriptor except 0, 1, 2 and these."""
    edges = sorted({*kept, 2})
    for low, high in zip(edges, [*edges[1:], 1 << 31], strict=True):
        if high - low > 1:
            close_range(low + 1, high - 1)


def pidfd_getfd(pidfd: int, descriptor: int) -> int:
    """pidfd_getfd(2): a duplicate of another process' descriptor, closed at exec. EBADF if it has none there."""
    return _call("pidfd_getfd", NR_PIDFD_GETFD, pidfd, descriptor, 0)


def openat2(directory: int, path: str, flags: int, resolve: int, mode: int = 0) -> int:
    """openat2(2); the descriptor is closed at exec."""
    how = struct.pack("=3Q", flags | os.O_CLOEXEC, mode, resolve)
    for attempt in range(128):
        try:
            return _call("openat2", NR_OPENAT2, directory, os.fsencode(path), how, len(how))
        except OSError as error:  # EAGAIN: somewhere something was renamed while a ".." was followed
            if error.errno != errno.EAGAIN or attempt == 127:
                error.filename = path
                raise
    raise AssertionError("the last attempt returns or raises")


def file_system(fd: int) -> int:
    """fstatfs(2): the magic number of the file system that `fd` lies in (linux/magic.h)."""
    found = ctypes.create_string_buffer(bytes(256), 256)
    if _libc.fstatfs(ctypes.c_int(fd), found):
        _fail("fstatfs")
    return int(struct.unpack_from("@l", found)[0])


def syncfs(fd: int) -> None:
    """syncfs(2): return when all of the file system that `fd` lies in is on the disk."""
    if _libc.syncfs(ctypes.c_int(fd)):
        _fail("syncfs")


def exchange(directory: int, one: str, other: str) -> None:
    """renameat2(2) with RENAME_EXCHANGE: two entries of an open directory change places, in one step."""
    names = os.fsencode(one), os.fsencode(other)
    if _libc.renameat2(ctypes.c_int(directory), names[0], ctypes.c_int(directory), names[1], ctypes.c_uint(2)):
        _fail(f"exchange {one} and {other}")


def rename_new(one: str, other: str) -> None:
    """renameat2(2) with RENAME_NOREPLACE: FileExistsError if there is an `other`."""
    names = os.fsencode(one), os.fsencode(other)
    if _libc.renameat2(ctypes.c_int(AT_FDCWD), names[0], ctypes.c_int(AT_FDCWD), names[1], ctypes.c_uint(1)):
        _fail(f"rename {one} to {other}")


def open_tree(directory: int, path: str, *, recursive: bool = False) -> int:
    """open_tree(2): a detached copy of the mount at `path` (of `directory` itself if the path is empty)."""
    flags = _OPEN_TREE_CLONE | _OPEN_TREE_CLOEXEC | (AT_RECURSIVE if recursive else 0)
    if not path:
        flags |= AT_EMPTY_PATH
    return _call(f"open_tree {path}", NR_OPEN_TREE, directory, os.fsencode(path), flags)


def move_mount(tree: int, target: int) -> None:
    """move_mount(2): attach the detached `tree` at the open `target`, whatever its path has become."""
    flags = _MOVE_MOUNT_F_EMPTY_PATH | _MOVE_MOUNT_T_EMPTY_PATH
    _call("move_mount", NR_MOVE_MOUNT, tree, b"", target, b"", flags)


def mount_setattr(
    tree: int, set_flags: int, clear: int = 0, *, recursive: bool = False, propagation: int = 0, users: int = 0
) -> None:
    """mount_setattr(2) on an open tree: MOUNT_ATTR_* to set and to clear; `users`: the namespace of an idmap."""
    attributes = struct.pack("=4Q", set_flags, clear, propagation, users)
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    _call("mount_setattr", NR_MOUNT_SETATTR, tree, b"", flags, attributes, len(attributes))


def new_mount(
    kind: str, options: Sequence[tuple[str, str | int | None]], attributes: int = 0, source: str | None = None
) -> int:
    """fsopen, fsconfig and fsmount: a detached mount of a new file system.

    An option without value is a flag; one whose value is a number takes that open descriptor.
    """
    context = _call(f"fsopen {kind}", NR_FSOPEN, kind.encode(), 1)
    try:
        if source is not None:
            options = [("source", source), *options]
        for key, value in options:
            what = f"mount {kind}, option {key}"
            if isinstance(value, int):
                _call(what, NR_FSCONFIG, context, _FSCONFIG_SET_FD, key.encode(), None, value)
                continue
            command = _FSCONFIG_SET_FLAG if value is None else _FSCONFIG_SET_STRING
            data = None if value is None else os.fsencode(value)
            _call(what, NR_FSCONFIG, context, command, key.encode(), data, 0)
        _call(f"mount {kind}", NR_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        return _call(f"mount {kind}", NR_FSMOUNT, context, 1, attributes)
    finally:
        os.close(context)


def capset(effective: int, permitted: int, inheritable: int) -> None:
    """capset(2) for this process; bit masks (linux/capability.h version 3)."""
    header = struct.pack("=Ii", 0x20080522, 0)
    low, high = 0xFFFFFFFF, 32
    data = struct.pack(
        "=6I",
        effective & low,
        permitted & low,
        inheritable & low,
        effective >> high,
        permitted >> high,
        inheritable >> high,
    )
    _call("capset", NR_CAPSET, header, data)


def free_signals() -> None:
    """Block no signal and give 32 and 33 their default action: rt_sigprocmask(2), rt_sigaction(2).

    Those two are the C library's own: its calls leave them as inherited, and some program up the line may have
    ignored one. The others' actions are the business of Python's `signal`.
    """
    _call("rt_sigprocmask", NR_RT_SIGPROCMASK, signal.SIG_SETMASK, bytes(8), None, 8)
    for number in (32, 33):
        _call("rt_sigaction", NR_RT_SIGACTION, number, bytes(32), None, 8)


def new_session_keyring() -> None:
    """keyctl(KEYCTL_JOIN_SESSION_KEYRING): leave the host's; a kernel without keys has nothing to leave."""
    try:  # noqa: SIM105 - importing contextlib would be half of what the command line's shield takes
        _call("keyctl", NR_KEYCTL, 1, None)
    except OSError:
        pass


def set_domain_name(name: bytes) -> None:
    """setdomainname(2)."""
    if _libc.setdomainname(name, ctypes.c_size_t(len(name))):
        _fail("setdomainname")


def set_personality(persona: int) -> None:
    """personality(2)."""
    if _libc.personality(ctypes.c_ulong(persona)) < 0:
        _fail("personality")


def set_io_priority(value: int) -> None:
    """ioprio_set(2) for this process (IOPRIO_WHO_PROCESS)."""
    _call("ioprio_set", NR_IOPRIO_SET, 1, 0, value)


def set_scheduler(attributes: bytes) -> None:
    """sched_setattr(2) for this thread; `attributes` is a struct sched_attr."""
    _call("sched_setattr", NR_SCHED_SETATTR, 0, attributes, 0)


def bpf(command: int, attributes: ctypes.Array[ctypes.c_char]) -> int:
    """bpf(2); `attributes` is a union bpf_attr, which the kernel may write to."""
    result: int = _syscall(ctypes.c_long(NR_BPF), ctypes.c_long(command), attributes, ctypes.c_long(len(attributes)))
    if result < 0:
        _fail("bpf")
    return result


def act_as_owner(owner: int) -> None:
    """setfsuid(2), setfsgid(2): make and reach files as this user and group, with all capabilities kept."""
    prctl("keep capabilities", PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP)
    try:
        _libc.setfsgid(ctypes.c_ulong(owner))
        _libc.setfsuid(ctypes.c_ulong(owner))
    finally:
        prctl("let go of capabilities", PR_SET_SECUREBITS, 0)
        prctl("dumpable", PR_SET_DUMPABLE, 0)  # which a change of the user may have reset


def load_filter(program: bytes, flags: int = 0) -> None:
    """seccomp(2), SECCOMP_SET_MODE_FILTER: `program` is an array of struct sock_filter."""
    buffer = ctypes.create_string_buffer(program, len(program))
    fprog = struct.pack("@HP", len(program) // 8, ctypes.addressof(buffer))
    _call("seccomp", NR_SECCOMP, 1, flags, fprog)


def map_file(start: int, length: int, protection: int, fd: int, offset: int) -> None:
    """mmap(2): a private mapping of the file in the place of whatever is there; `start` and `offset` of a page."""
    _call("mmap", NR_MMAP, start, length, protection, _MAP_PRIVATE | _MAP_FIXED, fd, offset)


def map_memory(length: int) -> int:
    """mmap(2): the address of `length` new bytes that can be written."""
    return _call("mmap", NR_MMAP, None, length, PROT_READ | PROT_WRITE, _MAP_PRIVATE | _MAP_ANONYMOUS, -1, 0)


def protect_memory(start: int, length: int, protection: int) -> None:
    """mprotect(2)."""
    _call("mprotect", NR_MPROTECT, start, length, protection)


def write_memory(start: int, content: bytes) -> None:
    """Copy `content` to the address `start` of this process."""
    _libc.memcpy(ctypes.c_ulong(start), content, ctypes.c_ulong(len(content)))


def populate_memory(start: int, length: int) -> None:
    """madvise(2), MADV_POPULATE_WRITE (Linux 5.14): as if all pages of these bytes had been written to."""
    first = start & -_PAGE_BYTES
    length += start - first
    if _libc.madvise(ctypes.c_ulong(first), ctypes.c_ulong(length), ctypes.c_int(_MADV_POPULATE_WRITE)):
        _fail("madvise")


def arch_prctl(option: int, address: int) -> None:
    """arch_prctl(2), on x86-64."""
    _call("arch_prctl", NR_ARCH_PRCTL, option, address)


def heap_end() -> int:
    """brk(2): where this process's heap ends."""
    return _call("brk", NR_BRK, 0)


def set_memory_map(addresses: bytes, executable: int) -> None:
    """prctl(2), PR_SET_MM_MAP: `addresses`, eleven 64-bit numbers, and the open file that /proc/self/exe is to be."""
    described = ctypes.create_string_buffer(addresses + struct.pack("=QII", 0, 0, executable), len(addresses) + 16)
    if _libc.prctl(
        _PR_SET_MM, ctypes.c_ulong(_PR_SET_MM_MAP), described, ctypes.c_ulong(len(described)), ctypes.c_ulong(0)
    ):
        _fail("prctl(PR_SET_MM_MAP)")
