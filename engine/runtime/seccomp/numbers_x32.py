"""System calls of x32 programs, without the bit that marks them: those of x86_64 but for a few.

Linux, arch/x86/entry/syscalls/syscall_64.tbl up to Linux 6.18: what is marked "64" there, and what is marked "x32".
"""

from __future__ import annotations

from engine.runtime.seccomp.numbers_x86_64 import X86_64

_ONLY_64 = """
_sysctl create_module epoll_ctl_old epoll_wait_old get_kernel_syms get_thread_area nfsservctl query_module
set_thread_area uretprobe uselib vserver
"""
_ONLY_X32 = """
rt_sigaction=512 rt_sigreturn=513 ioctl=514 readv=515 writev=516 recvfrom=517 sendmsg=518 recvmsg=519 execve=520
ptrace=521 rt_sigpending=522 rt_sigtimedwait=523 rt_sigqueueinfo=524 sigaltstack=525 timer_create=526 mq_notify=527
kexec_load=528 waitid=529 set_robust_list=530 get_robust_list=531 vmsplice=532 move_pages=533 preadv=534 pwritev=535
rt_tgsigqueueinfo=536 recvmmsg=537 sendmmsg=538 process_vm_readv=539 process_vm_writev=540 setsockopt=541
getsockopt=542 io_setup=543 io_submit=544 execveat=545 preadv2=546 pwritev2=547
"""

X32: dict[str, int] = {name: number for name, number in X86_64.items() if name not in _ONLY_64.split()}
X32.update({name: int(number) for name, number in (entry.split("=") for entry in _ONLY_X32.split())})
