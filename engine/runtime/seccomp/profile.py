"""The default seccomp profile: Docker's allow-list (moby/profiles seccomp v0.2.3) in the form of the OCI runtime
specification, config-linux.md "Seccomp".

What is not allowed answers in one of two ways, as Podman's profile does:

    EPERM   calls that exist and need rights a container does not have (mount, bpf, keyctl …)
    ENOSYS  clone3 (its flags are behind a pointer, so libc must fall back to clone), io_uring, userfaultfd and
            every number that this list does not know, so that programs which probe for new calls fall back
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache

EPERM = 1
ENOSYS = 38
NAMESPACE_FLAGS = 0x7E020000  # CLONE_NEWNS | NEWCGROUP | NEWUTS | NEWIPC | NEWUSER | NEWPID | NEWNET

_ALWAYS = """
_llseek _newselect accept accept4 access adjtimex alarm bind brk cachestat capget capset chdir chmod chown
chown32 clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64
clock_nanosleep clock_nanosleep_time64 close close_range connect copy_file_range creat dup dup2 dup3
epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64 fadvise64_64 fallocate fanotify_mark
fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock
fork fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futex
futex_requeue futex_time64 futex_wait futex_waitv futex_wake futimesat get_robust_list get_thread_area getcpu
getcwd getdents getdents64 getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getitimer
getpeername getpgid getpgrp getpid getppid getpriority getrandom getresgid getresgid32 getresuid getresuid32
getrlimit getrusage getsid getsockname getsockopt gettid gettimeofday getuid getuid32 getxattr getxattrat
inotify_add_watch inotify_init inotify_init1 inotify_rm_watch io_cancel io_destroy io_getevents io_pgetevents
io_pgetevents_time64 io_setup io_submit ioctl ioprio_get ioprio_set ipc kill landlock_add_rule
landlock_create_ruleset landlock_restrict_self lchown lchown32 lgetxattr link linkat listen listmount listxattr
listxattrat llistxattr lremovexattr lseek lsetxattr lstat lstat64 madvise map_shadow_stack membarrier
memfd_create memfd_secret mincore mkdir mkdirat mknod mknodat mlock mlock2 mlockall mmap mmap2 mprotect
mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64
mq_unlink mremap mseal msgctl msgget msgrcv msgsnd msync munlock munlockall munmap name_to_handle_at nanosleep
newfstatat open openat openat2 pause pidfd_open pidfd_send_signal pipe pipe2 pkey_alloc pkey_free pkey_mprotect
poll ppoll ppoll_time64 prctl pread64 preadv preadv2 prlimit64 process_mrelease pselect6 pselect6_time64
pwrite64 pwritev pwritev2 read readahead readlink readlinkat readv recv recvfrom recvmmsg recvmmsg_time64
recvmsg remap_file_pages removexattr removexattrat rename renameat renameat2 restart_syscall riscv_hwprobe rmdir
rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn rt_sigsuspend rt_sigtimedwait
rt_sigtimedwait_time64 rt_tgsigqueueinfo sched_get_priority_max sched_get_priority_min sched_getaffinity
sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64
sched_setaffinity sched_setattr sched_setparam sched_setscheduler sched_yield seccomp select semctl semget semop
semtimedop semtimedop_time64 send sendfile sendfile64 sendmmsg sendmsg sendto set_robust_list set_thread_area
set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer setpgid
setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit setsid
setsockopt setuid setuid32 setxattr setxattrat shmat shmctl shmdt shmget shutdown sigaltstack signalfd signalfd4
sigprocmask sigreturn socketcall socketpair splice stat stat64 statfs statfs64 statmount statx symlink symlinkat
sync sync_file_range syncfs sysinfo tee tgkill time timer_create timer_delete timer_getoverrun timer_gettime
timer_gettime64 timer_settime timer_settime64 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
timerfd_settime64 times tkill truncate truncate64 ugetrlimit umask uname unlink unlinkat uretprobe utime
utimensat utimensat_time64 utimes vfork vmsplice wait4 waitid waitpid write writev
process_vm_readv process_vm_writev ptrace arch_prctl modify_ldt arm_fadvise64_64 arm_sync_file_range
sync_file_range2 breakpoint cacheflush set_tls
"""

_BY_CAPABILITY: Mapping[str, str] = {
    "CAP_BPF": "bpf",
    "CAP_DAC_READ_SEARCH": "open_by_handle_at",
    "CAP_PERFMON": "perf_event_open",
    "CAP_SYSLOG": "syslog",
    "CAP_SYS_ADMIN": "bpf clone clone3 fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie lsm_get_self_attr"
    " lsm_list_modules lsm_set_self_attr mount mount_setattr move_mount open_tree perf_event_open quotactl quotactl_fd"
    " setdomainname sethostname setns syslog umount umount2 unshare",
    "CAP_SYS_BOOT": "reboot",
    "CAP_SYS_CHROOT": "chroot",
    "CAP_SYS_MODULE": "delete_module init_module finit_module",
    "CAP_SYS_NICE": "get_mempolicy mbind set_mempolicy set_mempolicy_home_node",
    "CAP_SYS_PACCT": "acct",
    "CAP_SYS_PTRACE": "kcmp pidfd_getfd process_madvise",
    "CAP_SYS_RAWIO": "iopl ioperm",
    "CAP_SYS_TIME": "settimeofday stime clock_settime clock_settime64",
    "CAP_SYS_TTY_CONFIG": "vhangup",
}

_REFUSED = """
_sysctl acct add_key bpf clock_settime clock_settime64 delete_module fanotify_init finit_module fsconfig fsmount
fsopen fspick get_mempolicy init_module ioperm iopl kcmp kexec_file_load kexec_load keyctl lookup_dcookie mbind
migrate_pages mount mount_setattr move_mount move_pages nfsservctl open_by_handle_at open_tree perf_event_open
pidfd_getfd pivot_root process_madvise quotactl quotactl_fd reboot request_key set_mempolicy set_mempolicy_home_node
setdomainname sethostname setns settimeofday stime swapoff swapon sysfs syslog umount umount2 unshare uselib ustat
vhangup chroot
"""

Rule = dict[str, object]


def default_profile(capabilities: Collection[str]) -> dict[str, object]:
    """The `linux.seccomp` object for a container that keeps `capabilities` ("CAP_CHOWN" …) in its bounding set."""
    return dict(_default_profile(frozenset(capabilities)))


@lru_cache(maxsize=16)
def _default_profile(capabilities: frozenset[str]) -> dict[str, object]:
    allowed = set(_ALWAYS.split())
    for capability in capabilities:
        allowed.update(_BY_CAPABILITY.get(capability, "").split())
    rules: list[Rule] = [_rule(sorted(allowed), "SCMP_ACT_ALLOW")]
    # AF_ALG (38) and AF_VSOCK (40) reach kernel code and hosts that no namespace fences.
    for operator, family in (("SCMP_CMP_LT", 38), ("SCMP_CMP_EQ", 39), ("SCMP_CMP_GT", 40)):
        rules.append(_rule(["socket"], "SCMP_ACT_ALLOW", [_argument(0, family, operator)]))
    for persona in (0x0, 0x8, 0x20000, 0x20008, 0xFFFFFFFF):
        rules.append(_rule(["personality"], "SCMP_ACT_ALLOW", [_argument(0, persona, "SCMP_CMP_EQ")]))
    if "clone" not in allowed:
        no_namespace = _argument(0, NAMESPACE_FLAGS, "SCMP_CMP_MASKED_EQ")
        rules.append(_rule(["clone"], "SCMP_ACT_ALLOW", [no_namespace]))
    refused = sorted((set(_REFUSED.split()) | {"clone", "personality", "socket"}) - allowed)
    rules.append(_rule(refused, "SCMP_ACT_ERRNO") | {"errnoRet": EPERM})
    return {
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": ENOSYS,
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"],
        "syscalls": rules,
    }


def _rule(names: Sequence[str], action: str, arguments: Sequence[Mapping[str, object]] = ()) -> Rule:
    rule: Rule = {"names": list(names), "action": action}
    if arguments:
        rule["args"] = list(arguments)
    return rule


def _argument(index: int, value: int, operator: str) -> dict[str, object]:
    """One condition; of SCMP_CMP_MASKED_EQ `value` is the mask and the masked argument must be 0."""
    return {"index": index, "value": value, "valueTwo": 0, "op": operator}
