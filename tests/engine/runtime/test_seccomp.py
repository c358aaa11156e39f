"""The compiler against an interpreter of classic BPF: each program must answer as its profile says."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import InvalidArgument, Unsupported
from engine.runtime import capabilities
from engine.runtime.seccomp.cache import cached_filter
from engine.runtime.seccomp.compiler import ARCHITECTURES, compile_filter
from engine.runtime.seccomp.numbers_i386 import I386
from engine.runtime.seccomp.numbers_x32 import X32
from engine.runtime.seccomp.profile import default_profile

ALLOW, EPERM, ENOSYS, KILL = 0x7FFF0000, 0x50001, 0x50026, 0x80000000
COMPARE = {
    "SCMP_CMP_EQ": lambda a, v, w: a == v,
    "SCMP_CMP_NE": lambda a, v, w: a != v,
    "SCMP_CMP_LT": lambda a, v, w: a < v,
    "SCMP_CMP_LE": lambda a, v, w: a <= v,
    "SCMP_CMP_GT": lambda a, v, w: a > v,
    "SCMP_CMP_GE": lambda a, v, w: a >= v,
    "SCMP_CMP_MASKED_EQ": lambda a, v, w: a & v == w,
}


def interpret(
    program: bytes, machine: str, number: int, arguments: tuple[int, ...] = (), arch: int | None = None
) -> int:
    audit = ARCHITECTURES[machine][0] if arch is None else arch
    data = struct.pack("<IIQ6Q", number, audit, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    code = list(struct.iter_unpack("=HBBI", program))
    accumulator = position = 0
    while True:
        operation, true, false, k = code[position]
        position += 1
        if operation == 0x20:
            accumulator = struct.unpack_from("<I", data, k)[0]
        elif operation == 0x54:
            accumulator &= k
        elif operation == 0x06:
            return k
        elif operation == 0x05:
            position += k
        else:
            holds = {0x15: accumulator == k, 0x25: accumulator > k, 0x35: accumulator >= k}[operation]
            position += true if holds else false


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_the_default_profile_answers_for_every_number(machine: str) -> None:
    profile = default_profile(capabilities.DEFAULT)
    program = compile_filter(profile, machine)
    numbers = ARCHITECTURES[machine][1]
    rules: list[dict[str, Any]] = profile["syscalls"]  # type: ignore[assignment]
    plain = {name: rule["action"] for rule in rules if "args" not in rule for name in rule["names"]}
    names = {number: name for name, number in numbers.items()}
    for number in range(600):
        name = names.get(number, "")
        if name in ("socket", "clone", "personality"):
            continue
        expected = {"SCMP_ACT_ALLOW": ALLOW, "SCMP_ACT_ERRNO": EPERM, None: ENOSYS}[plain.get(name)]
        assert interpret(program, machine, number) == expected, name


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_arguments_decide_where_the_profile_says_so(machine: str) -> None:
    program, numbers = compile_filter(default_profile(()), machine), ARCHITECTURES[machine][1]
    for family in range(50):
        expected = EPERM if family in (38, 40) else ALLOW
        assert interpret(program, machine, numbers["socket"], (family,)) == expected
    assert interpret(program, machine, numbers["socket"], (1 << 32 | 38,)) == ALLOW
    assert interpret(program, machine, numbers["personality"], (0x20008,)) == ALLOW
    assert interpret(program, machine, numbers["personality"], (0x20009,)) == EPERM
    assert interpret(program, machine, numbers["clone"], (0x01200011,)) == ALLOW
    for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
        assert interpret(program, machine, numbers["clone"], (flag | 17,)) == EPERM
    assert interpret(program, machine, numbers["clone3"]) == ENOSYS


def test_another_architecture_is_killed_and_x32_is_unknown() -> None:
    program = compile_filter(default_profile(()), "x86_64")
    assert interpret(program, "x86_64", 0, arch=0x40000003) == KILL
    assert interpret(program, "x86_64", 0x40000000) == ENOSYS


I386_ARCH, X32_BIT = 0x40000003, 0x40000000
OTHERS = ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"]


def test_the_machines_other_architectures_have_tables_of_their_own_where_a_profile_lists_them() -> None:
    profile = default_profile(capabilities.DEFAULT)
    rules: list[dict[str, Any]] = profile["syscalls"]  # type: ignore[assignment]
    plain = {name: rule["action"] for rule in rules if "args" not in rule for name in rule["names"]}
    program = compile_filter(profile | {"architectures": OTHERS}, "x86_64")
    tables = (({}, ARCHITECTURES["x86_64"][1], 0), ({"arch": I386_ARCH}, I386, 0), ({}, X32, X32_BIT))
    for how, numbers, bit in tables:
        names = {number: name for name, number in numbers.items()}
        for number in range(600):
            name = names.get(number, "")
            if name in ("socket", "clone", "personality", "socketcall", "ipc"):
                continue
            expected = {"SCMP_ACT_ALLOW": ALLOW, "SCMP_ACT_ERRNO": EPERM, None: ENOSYS}[plain.get(name)]
            assert interpret(program, "x86_64", number | bit, **how) == expected, (name, how, bit)


@pytest.mark.parametrize(
    ("listed", "i386", "x32"),
    [
        ([], KILL, ALLOW), (["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"], KILL, ALLOW),
        (["SCMP_ARCH_X86"], EPERM, ALLOW), (["SCMP_ARCH_X32"], KILL, EPERM), (OTHERS, EPERM, EPERM),
    ],
)  # fmt: skip
def test_an_architecture_that_is_not_listed_has_none_of_the_rules(listed: list[str], i386: int, x32: int) -> None:
    rule = {"names": ["getuid", "getuid32"], "action": "SCMP_ACT_ERRNO"}
    profile = {"defaultAction": "SCMP_ACT_ALLOW", "architectures": listed, "syscalls": [rule]}
    program = compile_filter(profile, "x86_64")
    assert interpret(program, "x86_64", ARCHITECTURES["x86_64"][1]["getuid"]) == EPERM
    assert interpret(program, "x86_64", I386["getuid32"], arch=I386_ARCH) == i386
    assert interpret(program, "x86_64", X32["getuid"] | X32_BIT) == x32
    assert interpret(program, "x86_64", 0, arch=ARCHITECTURES["aarch64"][0]) == KILL


def test_a_rule_reaches_a_call_through_the_old_doors_of_32_bit_programs() -> None:
    """socketcall(2), ipc(2). A condition on arguments can't: they lie behind a pointer there."""
    family = {"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}
    rules = [
        {"names": ["bind", "shmget"], "action": "SCMP_ACT_ERRNO"},
        {"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": [family]},
        {"names": ["socketcall", "ipc"], "action": "SCMP_ACT_ALLOW"},
    ]
    program = compile_filter(
        {"defaultAction": "SCMP_ACT_KILL_PROCESS", "architectures": OTHERS, "syscalls": rules}, "x86_64"
    )
    for door, number, expected in (
        ("socketcall", 2, EPERM), ("socketcall", 1, ALLOW), ("socketcall", 3, ALLOW), ("ipc", 23, EPERM),
        ("ipc", 21, ALLOW),
    ):  # fmt: skip
        assert interpret(program, "x86_64", I386[door], (number,), arch=I386_ARCH) == expected, (door, number)
    assert interpret(program, "x86_64", I386["socket"], (40,), arch=I386_ARCH) == EPERM


def test_capabilities_open_their_calls() -> None:
    program = compile_filter(default_profile(["CAP_SYS_ADMIN", "CAP_SYS_TIME"]), "x86_64")
    numbers = ARCHITECTURES["x86_64"][1]
    for name in ("mount", "clone3", "setns", "clock_settime"):
        assert interpret(program, "x86_64", numbers[name]) == ALLOW
    assert interpret(program, "x86_64", numbers["clone"], (0x10000000,)) == ALLOW
    assert interpret(program, "x86_64", numbers["reboot"]) == EPERM


def test_the_program_is_short_enough_to_load_fast() -> None:
    assert len(compile_filter(default_profile(capabilities.DEFAULT), "x86_64")) // 8 < 310


_VALUES = st.one_of(st.integers(0, 5), st.integers(0, 2**64 - 1), st.sampled_from([2**32 - 1, 2**32, 2**32 + 1]))
_CONDITIONS = st.fixed_dictionaries(
    {"index": st.integers(0, 5), "op": st.sampled_from(sorted(COMPARE)), "value": _VALUES, "valueTwo": _VALUES}
)
_RULES = st.fixed_dictionaries(
    {
        "names": st.lists(st.sampled_from(["read", "write", "open", "close", "bpf", "statx"]), min_size=1, max_size=3),
        "action": st.sampled_from(["SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO", "SCMP_ACT_KILL_PROCESS"]),
        "args": st.lists(_CONDITIONS, max_size=3),
    }
)


@settings(max_examples=300, deadline=None)
@given(st.lists(_RULES, max_size=12), st.lists(_VALUES, min_size=6, max_size=6), st.data())
def test_any_profile_means_the_same_compiled(
    rules: list[dict[str, Any]], arguments: list[int], data: st.DataObject
) -> None:
    numbers = ARCHITECTURES["x86_64"][1]
    program = compile_filter({"defaultAction": "SCMP_ACT_ERRNO", "syscalls": rules}, "x86_64")
    name = data.draw(st.sampled_from(["read", "write", "open", "close", "bpf", "statx", "getpid"]))
    expected = EPERM
    for rule in rules:
        hold = [COMPARE[c["op"]](arguments[c["index"]], c["value"], c["valueTwo"]) for c in rule["args"]]
        held = any(hold) if len({c["index"] for c in rule["args"]}) < len(hold) else all(hold)
        if name in rule["names"] and held:
            expected = {"SCMP_ACT_ALLOW": ALLOW, "SCMP_ACT_ERRNO": EPERM, "SCMP_ACT_KILL_PROCESS": KILL}[rule["action"]]
            break
    assert interpret(program, "x86_64", numbers[name], tuple(arguments)) == expected


@pytest.mark.parametrize(
    ("profile", "error", "field"),
    [
        ({}, InvalidArgument, "linux.seccomp.defaultAction"),
        ({"defaultAction": "SCMP_ACT_NOTIFY"}, Unsupported, "linux.seccomp.defaultAction"),
        ({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "X"}]}, InvalidArgument,
         "linux.seccomp.syscalls[0].action"),
        ({"defaultAction": "SCMP_ACT_ALLOW",
          "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW", "args": [{"index": 6, "op": "SCMP_CMP_EQ"}]}]},
         InvalidArgument, "linux.seccomp.syscalls[0].args"),
        ({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": -1}, InvalidArgument, "linux.seccomp.defaultAction"),
    ],
)  # fmt: skip
def test_a_bad_profile_is_refused_with_the_fields_name(profile: Any, error: type[Exception], field: str) -> None:
    with pytest.raises(error) as caught:
        compile_filter(profile, "x86_64")
    assert str(caught.value).startswith(field)


def test_a_machine_without_a_table_is_unsupported() -> None:
    with pytest.raises(Unsupported):
        compile_filter(default_profile(()), "riscv64")


def test_a_filter_is_compiled_once(tmp_path: Path) -> None:
    first = cached_filter(tmp_path / "run", default_profile(()))
    os.utime(first, (1, 1))
    assert cached_filter(tmp_path / "run", default_profile(())) == first
    assert first.stat().st_mtime == 1
    assert cached_filter(tmp_path / "run", default_profile(["CAP_SYS_ADMIN"])) != first
