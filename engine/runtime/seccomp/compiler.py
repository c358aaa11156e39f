"""From `linux.seccomp` of an OCI config.json to the classic BPF program that the kernel runs at each system call.

The numbers of an architecture are cut into ranges that share one answer, and a balanced tree of comparisons
finds the range: about seven steps instead of one per name, and a program a third as long as a linear one (the
kernel walks it for every number when the filter is loaded, so short is also fast to load).

    load arch ── not ours → kill the process; i386, if it is among `architectures` → a tree of its own
    load nr ─── x32 (bit 30) → as an unknown call; if x32 is among `architectures`, a tree of its own
       ├─ nr ≥ 128 ─ … ─ RET allow
       └─ …            ─ arguments: each rule's conditions in turn, RET at the first that holds, else RET default

Rules of one call are alternatives in the order given; the conditions of one rule must all hold, unless two are about
the same argument: then one is enough. seccomp_data and the return values: linux/seccomp.h; instructions:
linux/bpf_common.h.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from engine.errors import InvalidArgument, Unsupported
from engine.runtime.seccomp.numbers_aarch64 import AARCH64
from engine.runtime.seccomp.numbers_i386 import I386, IPC, SOCKETCALL
from engine.runtime.seccomp.numbers_x32 import X32
from engine.runtime.seccomp.numbers_x86_64 import X86_64

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, k

LOAD, AND, RETURN = 0x20, 0x54, 0x06  # BPF_LD|W|ABS, BPF_ALU|AND|K, BPF_RET|K
JUMP, JUMP_EQ, JUMP_GT, JUMP_GE = 0x05, 0x15, 0x25, 0x35
OFFSET_NR, OFFSET_ARCH, OFFSET_ARGS = 0, 4, 16
X32_BIT = 0x40000000

ARCHITECTURES: Mapping[str, tuple[int, Mapping[str, int]]] = {
    "x86_64": (0xC000003E, X86_64),
    "aarch64": (0xC00000B7, AARCH64),
}
AUDIT_I386 = 0x40000003

KILL_PROCESS, KILL_THREAD, TRAP, ERRNO, TRACE, LOG, ALLOW = (
    0x80000000,
    0x00000000,
    0x00030000,
    0x00050000,
    0x7FF00000,
    0x7FFC0000,
    0x7FFF0000,
)
_ACTIONS = {
    "SCMP_ACT_KILL": KILL_THREAD,
    "SCMP_ACT_KILL_THREAD": KILL_THREAD,
    "SCMP_ACT_KILL_PROCESS": KILL_PROCESS,
    "SCMP_ACT_TRAP": TRAP,
    "SCMP_ACT_ERRNO": ERRNO,
    "SCMP_ACT_TRACE": TRACE,
    "SCMP_ACT_ALLOW": ALLOW,
    "SCMP_ACT_LOG": LOG,
}

Condition = tuple[int, str, int, int]  # argument index, operator, value, valueTwo
Alternative = tuple[tuple[Condition, ...], int]  # all conditions hold → this return value


def compile_filter(seccomp: Mapping[str, Any], machine: str) -> bytes:
    """The program (an array of struct sock_filter) for `machine` ("x86_64", "aarch64": os.uname().machine).

    Unknown names are skipped, as libseccomp's users do: a profile lists calls of every architecture. The machine's
    own architecture is always meant, 32-bit x86 and x32 where `architectures` has them. Raises InvalidArgument with
    the field's name, Unsupported for notify and for machines without a table.
    """
    try:
        audit_arch, numbers = ARCHITECTURES[machine]
    except KeyError:
        raise Unsupported(f"linux.seccomp: there is no table of system calls for {machine}") from None
    default = _return_value(seccomp.get("defaultAction"), seccomp.get("defaultErrnoRet"), "linux.seccomp.defaultAction")
    rules = [
        (rule.get("names") or (), alternative)
        for index, rule in enumerate(seccomp.get("syscalls") or ())
        for alternative in _alternatives(rule, f"linux.seccomp.syscalls[{index}]")
    ]
    more = set(seccomp.get("architectures") or ()) if machine == "x86_64" else set()
    program: list[Instruction] = [(LOAD, 0, 0, OFFSET_NR)]
    tree = _tree(_ranges(_calls(rules, numbers), default))
    if "SCMP_ARCH_X32" in more:
        program += [(JUMP_GE, 0, 1, X32_BIT), (JUMP, 0, 0, len(tree)), *tree, (AND, 0, 0, X32_BIT - 1)]
        program += _tree(_ranges(_calls(rules, X32), default))
    else:
        program += [(JUMP_GE, 0, 1, X32_BIT), (RETURN, 0, 0, default), *tree] if machine == "x86_64" else tree
    other: list[Instruction] = [(RETURN, 0, 0, KILL_PROCESS)]
    if "SCMP_ARCH_X86" in more:
        ranges = _ranges(_calls(rules, I386, {"socketcall": SOCKETCALL, "ipc": IPC}), default)
        other = [(JUMP_EQ, 1, 0, AUDIT_I386), *other, (LOAD, 0, 0, OFFSET_NR), *_tree(ranges)]
    if len(other) == 1:
        program = [(LOAD, 0, 0, OFFSET_ARCH), (JUMP_EQ, 1, 0, audit_arch), *other, *program]
    else:
        skip: list[Instruction] = [(JUMP_EQ, 0, 1, audit_arch), (JUMP, 0, 0, len(other))]
        program = [(LOAD, 0, 0, OFFSET_ARCH), *skip, *other, *program]
    if len(program) > 4096:  # BPF_MAXINSNS
        raise InvalidArgument(f"linux.seccomp: {len(program)} instructions are needed, the kernel takes 4096")
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


Rules = Sequence[tuple[Sequence[str], Alternative]]


def _calls(
    rules: Rules, numbers: Mapping[str, int], doors: Mapping[str, Mapping[str, int]] | None = None
) -> dict[int, tuple[Alternative, ...]]:
    """Number → its rules in order. `doors`: a call that stands for others, → which, by its first argument.

    What is said of one of those is true of the door with its number as well, as with libseccomp; except with
    conditions on arguments, which lie behind a pointer there.
    """
    calls: dict[int, tuple[Alternative, ...]] = {}
    for names, alternative in rules:
        for name in names:
            if name in numbers:
                calls[numbers[name]] = (*calls.get(numbers[name], ()), alternative)
            for door, behind in (doors or {}).items():
                if name in behind and not alternative[0]:
                    through = ((0, "SCMP_CMP_EQ", behind[name], 0),), alternative[1]
                    calls[numbers[door]] = (*calls.get(numbers[door], ()), through)
    return calls


def _return_value(action: object, errno_ret: object, field: str) -> int:
    if action == "SCMP_ACT_NOTIFY":
        raise Unsupported(f"{field}: SCMP_ACT_NOTIFY is not supported")
    if not isinstance(action, str) or action not in _ACTIONS:
        raise InvalidArgument(f"{field}: {action!r} is not an action")
    value = _ACTIONS[action]
    if value in (ERRNO, TRACE):
        if errno_ret is None:
            errno_ret = 1
        if not isinstance(errno_ret, int) or not 0 <= errno_ret <= 0xFFFF:
            raise InvalidArgument(f"{field}: errnoRet must be a number from 0 to 65535")
        return value | errno_ret
    return value


def _alternatives(rule: Mapping[str, Any], field: str) -> list[Alternative]:
    """A rule, or one for each of its conditions if some are about the same argument.

    So runc and crun have it, libseccomp taking no two of them in one rule; the specification is silent.
    """
    conditions, value = _alternative(rule, field)
    if len({condition[0] for condition in conditions}) == len(conditions):
        return [(conditions, value)]
    return [((condition,), value) for condition in conditions]


def _alternative(rule: Mapping[str, Any], field: str) -> Alternative:
    conditions: list[Condition] = []
    for argument in rule.get("args") or ():
        index, operator = argument.get("index"), argument.get("op")
        if not isinstance(index, int) or not 0 <= index <= 5:
            raise InvalidArgument(f"{field}.args: index must be 0 to 5")
        if operator not in _COMPARISONS:
            raise InvalidArgument(f"{field}.args: {operator!r} is not an operator")
        conditions.append((index, operator, int(argument.get("value", 0)), int(argument.get("valueTwo", 0))))
    return tuple(conditions), _return_value(rule.get("action"), rule.get("errnoRet"), f"{field}.action")


def _ranges(calls: Mapping[int, tuple[Alternative, ...]], default: int) -> list[tuple[int, tuple[Instruction, ...]]]:
    """(first number, code) of each range, ascending from 0; neighbours differ."""
    unknown: tuple[Instruction, ...] = ((RETURN, 0, 0, default),)
    ranges: list[tuple[int, tuple[Instruction, ...]]] = []
    for number in range(max(calls, default=0) + 2):
        code = _leaf(calls[number], default) if number in calls else unknown
        if not ranges or ranges[-1][1] != code:
            ranges.append((number, code))
    return ranges


def _leaf(alternatives: tuple[Alternative, ...], default: int) -> tuple[Instruction, ...]:
    code: list[Instruction] = []
    for conditions, value in alternatives:
        if not conditions:
            return (*code, (RETURN, 0, 0, value))
        body: list[Instruction] = [(RETURN, 0, 0, value)]
        for condition in reversed(conditions):
            body = _condition(condition, body)
        code += body
    return (*code, (RETURN, 0, 0, default))


def _condition(condition: Condition, then: list[Instruction]) -> list[Instruction]:
    """Code that runs `then` if the 64-bit comparison holds and else jumps right behind it.

    A comparison looks at the upper half first (little endian: it lies four bytes up). `T` is the start of
    `then`, `F` its end.
    """
    index, operator, value, second = condition
    low, high = OFFSET_ARGS + 8 * index, OFFSET_ARGS + 8 * index + 4
    steps: list[tuple[int, str, str, int]] = _COMPARISONS[operator](low, high, value, second)
    code: list[Instruction] = []
    for position, (opcode, true, false, k) in enumerate(steps):
        rest = len(steps) - position - 1
        targets = {"": 0, "T": rest, "F": rest + len(then)}
        if max(targets[true], targets[false]) > 255:
            raise InvalidArgument("linux.seccomp: a rule has too many conditions")
        code.append((opcode, targets[true], targets[false], k))
    return code + then


Steps = list[tuple[int, str, str, int]]


def _halves(value: int) -> tuple[int, int]:
    return value & 0xFFFFFFFF, value >> 32 & 0xFFFFFFFF


def _equal(low: int, high: int, value: int, second: int) -> Steps:
    value_low, value_high = _halves(value)
    return [
        (LOAD, "", "", high),
        (JUMP_EQ, "", "F", value_high),
        (LOAD, "", "", low),
        (JUMP_EQ, "", "F", value_low),
    ]


def _not_equal(low: int, high: int, value: int, second: int) -> Steps:
    value_low, value_high = _halves(value)
    return [
        (LOAD, "", "", high),
        (JUMP_EQ, "", "T", value_high),
        (LOAD, "", "", low),
        (JUMP_EQ, "F", "", value_low),
    ]


def _masked_equal(low: int, high: int, value: int, second: int) -> Steps:
    mask_low, mask_high = _halves(value)
    want_low, want_high = _halves(second)
    return [
        (LOAD, "", "", high),
        (AND, "", "", mask_high),
        (JUMP_EQ, "", "F", want_high),
        (LOAD, "", "", low),
        (AND, "", "", mask_low),
        (JUMP_EQ, "", "F", want_low),
    ]


def _ordered(jump: int, above: bool) -> Any:
    """A comparison by size: holds if `argument jump value` is `above`; the upper half decides unless equal."""

    def steps(low: int, high: int, value: int, second: int) -> Steps:
        value_low, value_high = _halves(value)
        larger, smaller = ("T", "F") if above else ("F", "T")
        last = ("", "F") if above else ("F", "")
        return [
            (LOAD, "", "", high),
            (JUMP_GT, larger, "", value_high),
            (JUMP_EQ, "", smaller, value_high),
            (LOAD, "", "", low),
            (jump, *last, value_low),
        ]

    return steps


_COMPARISONS: Mapping[str, Any] = {
    "SCMP_CMP_EQ": _equal,
    "SCMP_CMP_NE": _not_equal,
    "SCMP_CMP_MASKED_EQ": _masked_equal,
    "SCMP_CMP_GT": _ordered(JUMP_GT, above=True),
    "SCMP_CMP_GE": _ordered(JUMP_GE, above=True),
    "SCMP_CMP_LT": _ordered(JUMP_GE, above=False),
    "SCMP_CMP_LE": _ordered(JUMP_GT, above=False),
}


def _tree(ranges: Sequence[tuple[int, tuple[Instruction, ...]]]) -> list[Instruction]:
    """A balanced tree over the ranges; a step too far for an 8-bit jump goes by an unconditional one."""
    if len(ranges) == 1:
        return list(ranges[0][1])
    middle = len(ranges) // 2
    below, above = _tree(ranges[:middle]), _tree(ranges[middle:])
    split = ranges[middle][0]
    if len(below) <= 255:
        return [(JUMP_GE, len(below), 0, split), *below, *above]
    return [(JUMP_GE, 0, 1, split), (JUMP, 0, 0, len(below)), *below, *above]
