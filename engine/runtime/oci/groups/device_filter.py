"""The list of devices on version 2: an eBPF program that answers each open and mknod (BPF_PROG_TYPE_CGROUP_DEVICE).

The rules are asked from the last to the first, the first that fits answers, and where none fits the answer is no:
the order of the specification (config-linux.md "Allowed Device list"), whose later entries win.
Instructions: linux/bpf.h, struct bpf_cgroup_dev_ctx {access_type, major, minor}.
"""

from __future__ import annotations

import os

from engine.bare import contextlib, ctypes, struct
from engine.runtime import kernel
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from engine.oci.runtime_resources import DeviceRule

_LOAD, _ATTACH = 5, 8  # BPF_PROG_LOAD, BPF_PROG_ATTACH
_TYPE_CGROUP_DEVICE, _ATTACH_CGROUP_DEVICE, _ALLOW_MULTI = 15, 6, 2
_TYPES = {"b": 1, "c": 2}
_ACCESS = {"m": 1, "r": 2, "w": 4}


def _instruction(code: int, target: int = 0, source: int = 0, offset: int = 0, immediate: int = 0) -> bytes:
    return struct.pack("=BBhi", code, source << 4 | target, offset, immediate)


def program(rules: tuple[DeviceRule, ...]) -> bytes:
    """The instructions. r2: type, r3: access asked for, r4: major, r5: minor."""
    code = [
        _instruction(0x61, 2, 1, 0),  # r2 = ctx->access_type
        _instruction(0xBC, 3, 2),  # w3 = w2
        _instruction(0x54, 2, 0, 0, 0xFFFF),  # w2 &= 0xffff: the type
        _instruction(0x74, 3, 0, 0, 16),  # w3 >>= 16: the access
        _instruction(0x61, 4, 1, 4),  # r4 = ctx->major
        _instruction(0x61, 5, 1, 8),  # r5 = ctx->minor
    ]
    for rule in reversed(rules):
        code += _rule(rule)
        if rule.type == "a" and set(rule.access) == set("rwm"):
            break  # fits everything; the kernel refuses a program with a part that can't be reached
    else:
        code += [_instruction(0xB4, 0, 0, 0, 0), _instruction(0x95)]  # return 0
    return b"".join(code)


def _rule(rule: DeviceRule) -> list[bytes]:
    answer = [_instruction(0xB4, 0, 0, 0, int(rule.allow)), _instruction(0x95)]  # return allow
    tests: list[tuple[int, int, int]] = []  # (register, opcode that skips the rule, value)
    if rule.type != "a":
        tests.append((2, 0x56, _TYPES[rule.type]))  # if w2 != type
    before: list[bytes] = []
    mask = sum(_ACCESS[letter] for letter in set(rule.access))
    if mask != 7:
        before = [_instruction(0xBC, 1, 3), _instruction(0x54, 1, 0, 0, ~mask if rule.allow else mask)]
        # an allowance must cover all that is asked for; a refusal fits if it covers any of it
        tests.append((1, 0x56 if rule.allow else 0x16, 0))
    if rule.type != "a":
        tests += [(register, 0x56, n) for register, n in ((4, rule.major), (5, rule.minor)) if n >= 0]
    code = list(before)
    for position, (register, opcode, value) in enumerate(tests):
        rest = len(tests) - position - 1 + len(answer)
        signed = value if value < 1 << 31 else value - (1 << 32)
        code.append(_instruction(opcode, register, 0, rest, signed))
    return code + answer


def load(rules: tuple[DeviceRule, ...]) -> int:
    """The program in the kernel: its descriptor. Failure names the field."""
    code = program(rules)
    try:
        return _load(code, None)
    except OSError as error:
        # Asked for from the first, the log of a long list would not fit, which is an error of its own.
        log = ctypes.create_string_buffer(b"", 1 << 16)
        with contextlib.suppress(OSError):
            return _load(code, log)
        told = log.value.decode(errors="replace").strip().rpartition("\n")[2]
        why = f"{error.strerror} {told}".strip()
        raise Failure("unsupported", f"linux.resources.devices: the kernel refuses its filter: {why}") from None


def _load(code: bytes, log: ctypes.Array[ctypes.c_char] | None) -> int:
    held, licence = ctypes.create_string_buffer(code), ctypes.create_string_buffer(b"GPL")
    told = (0, 0, 0) if log is None else (1, len(log), ctypes.addressof(log))
    attributes = struct.pack(
        "=IIQQIIQI", _TYPE_CGROUP_DEVICE, len(code) // 8, ctypes.addressof(held), ctypes.addressof(licence), *told, 0
    )
    return kernel.bpf(_LOAD, ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128))


def attach(directory: str, rules: tuple[DeviceRule, ...]) -> None:
    """Put the rules in force for the group at `directory`; several programs must all say yes."""
    loaded = load(rules)
    group = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        attributes = struct.pack("=IIII", group, loaded, _ATTACH_CGROUP_DEVICE, _ALLOW_MULTI)
        kernel.bpf(_ATTACH, ctypes.create_string_buffer(attributes.ljust(128, b"\0"), 128))
    except OSError as error:
        raise Failure("unsupported", f"linux.resources.devices: {directory}: {error.strerror}") from None
    finally:
        os.close(group)
        os.close(loaded)
