"""Bearing a process in the memory of the one that bears it: clone3(2) with CLONE_VM.

What a fork of a Python process costs are its pages: half a millisecond for their table, and a copy of each that the
child touches, 500 until a container's program is executed. Here the child goes on with its parent's own, and on its
stack, as after vfork(2). From then on that is another's, and the parent can't return as it came: C's compilers see to
that for vfork; in Python no function can. So the calls are made by these few instructions, and there are two things
that a parent can do:

    Bearer    it lets go of its descriptors and sleeps until it is killed, without a look at its stack or memory: it
              has nothing left to do, and its end would take a millisecond of a processor from its child
    Lender    the kernel holds it until the child has executed a program or ended (CLONE_VFORK), and it goes on where
              the child has left: the child's last call, `execute` or `end`, returns in the parent

For the latter, that last call notes its registers first, and what the kernel keeps for both is all that is left: what
the child's Python had been thinking is now the parent's. A child that is killed before has left things half thought,
so then the parent ends. Descriptors, signal handlers, working directory, rights and namespaces are each one's own.
Only for single-threaded parents.
"""

from __future__ import annotations

import os
from contextlib import suppress

from engine.bare import ctypes, struct
from engine.runtime import kernel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_CLONE_VM, _CLONE_VFORK, _CLONE_PARENT_SETTID = 0x100, 0x4000, 0x100000
_NR_EXECVE, _NR_EXIT_GROUP = 59, 231
_ARCH_SHSTK_STATUS = 0x5005
_PAGE = 4096
_REGISTERS_BYTES = 64
_BEAR = bytes.fromhex(
    "b8b3010000"  # mov eax, 435 (clone3; its two arguments are where a function's are)
    "0f05"  # syscall
    "4885c0"  # test rax, rax
    "7f01"  # jg parent
    "c3"  # ret
    "bf03000000"  # parent: mov edi, 3
    "beffffffff"  # mov esi, -1
    "31d2"  # xor edx, edx
    "b8b4010000"  # mov eax, 436 (close_range)
    "0f05"  # syscall
    "b822000000"  # again: mov eax, 34 (pause)
    "0f05"  # syscall
    "ebf7"  # jmp again
)
_LEND = bytes.fromhex(
    "b8b3010000"  # mov eax, 435
    "0f05"  # syscall
    "4885c0"  # test rax, rax
    "7f01"  # jg parent
    "c3"  # ret
    "833a00"  # parent: cmp dword [rdx], 0 (rdx: the third argument, where registers are noted)
    "7423"  # je killed
    "c70200000000"  # mov dword [rdx], 0
    "488b6208488b6a10488b5a18"  # mov rsp, [rdx+8]; rbp, [rdx+16]; rbx, [rdx+24]
    "4c8b62204c8b6a284c8b72304c8b7a38"  # mov r12, [rdx+32]; r13 …; r14 …; r15, [rdx+56]
    "c3"  # ret, from the child's last call, with the child's pid
    "bf01000000"  # killed: mov edi, 1
    "b8e7000000"  # mov eax, 231
    "0f05"  # syscall
    "f4"  # hlt
)
_LAST_CALL = bytes.fromhex(
    "488961084889691048895918"  # mov [rcx+8], rsp; [rcx+16], rbp; [rcx+24], rbx (rcx: the fourth argument)
    "4c8961204c8969284c8971304c897938"  # mov [rcx+32], r12 …
    "c70101000000"  # mov dword [rcx], 1
    "4989c9"  # mov r9, rcx (which the kernel overwrites)
    "4c89c0"  # mov rax, r8 (the fifth argument: which call; its own are the first three)
    "0f05"  # syscall
    "41c70100000000"  # mov dword [r9], 0: it has failed, this is still the child
    "c3"  # ret
)


class Bearer:
    """Made before the fork of whoever bears, since a page of instructions is a thing to be made once.

    `possible`: whether it can be done here; a machine of another kind, or one that allows no new instructions in
    memory (SELinux: execmem), has to fork.
    """

    def __init__(self) -> None:
        self.possible = False
        if os.uname().machine == "x86_64":
            with suppress(OSError):
                self._call = _function(_BEAR, 2)
                self.possible = True

    def bear(self, flags: int, exit_signal: int, group: int | None) -> int:
        """Returns in the child alone, with its pid as the parent's namespace numbers it.

        `flags` and `group`, a descriptor of a version 2 group or None, as in `kernel.clone3`. OSError, in the parent,
        if there is no child. The parent must have no handlers of signals, which would run on what is the child's stack.
        """
        return _clone(self._call, flags, exit_signal, group)


class Lender:
    """Made like a `Bearer`. From `lend` to `execute` or `end`, what is called is called by the child."""

    def __init__(self) -> None:
        self.possible = False
        if os.uname().machine == "x86_64" and not _has_shadow_stack():
            with suppress(OSError):
                self._lend, self._last_call = _function(_LEND, 3), _function(_LAST_CALL, 5)
                self._registers = ctypes.create_string_buffer(bytes(_REGISTERS_BYTES), _REGISTERS_BYTES)
                self.possible = True

    def lend(self, flags: int, exit_signal: int, group: int | None) -> int:
        """As `Bearer.bear`; the parent waits."""
        return _clone(self._lend, flags | _CLONE_VFORK, exit_signal, group, ctypes.addressof(self._registers))

    def execute(self, path: bytes, arguments: list[bytes], environment: list[bytes]) -> None:
        """execve(2). Returns in the parent, even if the child was just killed. OSError: this is still the child."""
        texts = ctypes.create_string_buffer(b"\0".join((path, *arguments, *environment)))
        at = ctypes.addressof(texts)
        places = []
        for text in (path, *arguments, *environment):
            places.append(at)
            at += len(text) + 1
        count = len(arguments) + 1
        words = struct.pack(f"@{len(places) + 1}P", *places[1:count], 0, *places[count:], 0)
        table = ctypes.create_string_buffer(words, len(words))
        first = ctypes.addressof(table)
        result = self._last_call(places[0], first, first + count * 8, ctypes.addressof(self._registers), _NR_EXECVE)
        if result < 0:
            raise OSError(-result, os.strerror(-result), "execve")

    def end(self, code: int) -> None:
        """exit_group(2). Returns in the parent."""
        self._last_call(code, 0, 0, ctypes.addressof(self._registers), _NR_EXIT_GROUP)


def _clone(call: Callable[..., Any], flags: int, exit_signal: int, group: int | None, *more: int) -> int:
    flags |= _CLONE_VM | _CLONE_PARENT_SETTID
    if group is not None:
        flags |= kernel.CLONE_INTO_CGROUP
    number = ctypes.create_string_buffer(bytes(8), 8)
    told = struct.pack(
        "=11Q", flags, 0, 0, ctypes.addressof(number), exit_signal, 0, 0, 0, 0, 0, group if group is not None else 0
    )
    arguments = ctypes.create_string_buffer(told, len(told))
    result = call(ctypes.addressof(arguments), len(told), *more)
    if result < 0:
        raise OSError(-result, os.strerror(-result), "clone3")
    return int(struct.unpack_from("=i", number)[0])


def _function(code: bytes, arguments: int) -> Callable[..., Any]:
    """A function of so many numbers, made of instructions. OSError where that is not allowed."""
    start = kernel.map_memory(_PAGE)
    kernel.write_memory(start, code)
    kernel.protect_memory(start, _PAGE, kernel.PROT_READ | kernel.PROT_EXEC)
    return ctypes.PYFUNCTYPE(ctypes.c_long, *[ctypes.c_ulong] * arguments)(start)


def _has_shadow_stack() -> bool:
    """Whether the processor keeps return addresses for itself (x86/shstk.rst): who returns for another is stopped."""
    told = ctypes.create_string_buffer(bytes(8), 8)
    with suppress(OSError):
        kernel.arch_prctl(_ARCH_SHSTK_STATUS, ctypes.addressof(told))
    return any(told.raw)
