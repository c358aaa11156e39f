"""Bearing a process in the memory of the one that bears it: clone3(2) with CLONE_VM and CLONE_VFORK.

What a fork of a Python process costs are its pages: half a millisecond for their table, and a copy of each that the
child touches, 500 until a container's program is executed. Here the child goes on with its parent's own, and on its
stack, as after vfork(2). The kernel holds the parent until the child has executed a program or ended, and then there
is nothing of its own left to which it could return: it must end, without a look at its stack or memory. C's compilers
see to that for vfork; in Python no function can, so the call is made by these few instructions:

    call the kernel; a child, or an error, returns; a parent calls exit_group(0)

The child's signal handlers and descriptors are its own. Only for a single-threaded parent that has nothing left to do.
"""

from __future__ import annotations

import os
from contextlib import suppress

from engine.bare import ctypes, struct
from engine.runtime import kernel

_CLONE_VM, _CLONE_VFORK, _CLONE_PARENT_SETTID = 0x100, 0x4000, 0x100000
_PAGE = 4096
_CODE = bytes.fromhex(
    "b8b3010000"  # mov eax, 435 (clone3; its two arguments are where a function's are)
    "0f05"  # syscall
    "4885c0"  # test rax, rax
    "7f01"  # jg parent
    "c3"  # ret
    "31ff"  # parent: xor edi, edi
    "b8e7000000"  # mov eax, 231 (exit_group)
    "0f05"  # syscall
    "f4"  # hlt: never reached
)


class Bearer:
    """Made before the fork of whoever bears, since a page of instructions is a thing to be made once.

    `possible`: whether it can be done here; a machine of another kind, or one that allows no new instructions in
    memory (SELinux: execmem), has to fork.
    """

    def __init__(self) -> None:
        self.possible = False
        if os.uname().machine != "x86_64":
            return
        with suppress(OSError):
            start = kernel.map_memory(_PAGE)
            kernel.write_memory(start, _CODE)
            kernel.protect_memory(start, _PAGE, kernel.PROT_READ | kernel.PROT_EXEC)
            self._call = ctypes.PYFUNCTYPE(ctypes.c_long, ctypes.c_void_p, ctypes.c_size_t)(start)
            self.possible = True

    def bear(self, flags: int, exit_signal: int, group: int | None) -> int:
        """Returns in the child alone, with its pid as the parent's namespace numbers it.

        `flags` and `group`, a descriptor of a version 2 group or None, as in `kernel.clone3`. OSError, in the parent,
        if there is no child.
        """
        flags |= _CLONE_VM | _CLONE_VFORK | _CLONE_PARENT_SETTID
        if group is not None:
            flags |= kernel.CLONE_INTO_CGROUP
        number = ctypes.create_string_buffer(bytes(8), 8)
        told = struct.pack(
            "=11Q", flags, 0, 0, ctypes.addressof(number), exit_signal, 0, 0, 0, 0, 0, group if group is not None else 0
        )
        arguments = ctypes.create_string_buffer(told, len(told))
        result = self._call(ctypes.addressof(arguments), len(told))
        if result < 0:
            raise OSError(-result, os.strerror(-result), "clone3")
        return int(struct.unpack_from("=i", number)[0])
