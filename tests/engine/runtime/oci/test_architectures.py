"""System calls of 32-bit and x32 programs under a filter, by programs of a few instructions."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.engine.runtime.oci.bundles import Bundle

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="these programs are x86's"),
]

# getuid32 by int 0x80, then exit(-result): mov eax,199; int 0x80; neg eax; mov ebx,eax; mov eax,1; int 0x80
I386 = bytes.fromhex("b8c7000000 cd80 f7d8 89c3 b801000000 cd80")
# x32's getuid, then exit(-result): mov eax,0x40000066; syscall; neg eax; mov edi,eax; mov eax,60; syscall
X32 = bytes.fromhex("b866000040 0f05 f7d8 89c7 b83c000000 0f05")
SIGSYS = 128 + 31
ERRNO = 77


def program(code: bytes, *, bits: int) -> bytes:
    """A static executable: elf(5)."""
    base, size = 0x08048000, 64 if bits == 64 else 52
    header = size + (56 if bits == 64 else 32)
    length = header + len(code)
    ident = b"\x7fELF" + bytes([2 if bits == 64 else 1, 1, 1]) + bytes(9)
    if bits == 64:
        fields = struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, base + header, size, 0, 0, size, 56, 1, 0, 0, 0)
        segment = struct.pack("<IIQQQQQQ", 1, 5, 0, base, base, length, length, 4096)
    else:
        fields = struct.pack("<HHIIIIIHHHHHH", 2, 3, 1, base + header, size, 0, 0, size, 32, 1, 0, 0, 0)
        segment = struct.pack("<IIIIIIII", 1, 0, base, base, length, length, 5, 4096)
    return ident + fields + segment + code


def put(directory: Path, code: bytes, *, bits: int) -> Path:
    path = directory / f"call{bits}"
    path.write_bytes(program(code, bits=bits))
    path.chmod(0o755)
    return path


def filtered(bundle: Bundle, *architectures: str) -> Bundle:
    rule: dict[str, Any] = {"names": ["getuid", "getuid32"], "action": "SCMP_ACT_ERRNO", "errnoRet": ERRNO}
    bundle.linux["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": list(architectures), "syscalls": [rule]
    }  # fmt: skip
    return bundle


def run(bundle: Bundle, path: Path) -> int:
    bundle.config["mounts"].append(
        {"destination": "/tmp", "type": "bind", "source": str(path.parent), "options": ["bind", "ro"]}
    )
    bundle.args(f"/tmp/{path.name}").write()
    return bundle.call("run", "--bundle", str(bundle.directory), bundle.id).returncode


@pytest.mark.parametrize(
    ("architectures", "code"),
    [(["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"], ERRNO), (["SCMP_ARCH_X86_64"], SIGSYS), ([], SIGSYS)],
)
def test_a_32_bit_program_is_under_the_filter_or_killed(
    bundle: Bundle, tmp_path: Path, architectures: list[str], code: int
) -> None:
    (tmp_path / "programs").mkdir(mode=0o755)
    path = put(tmp_path / "programs", I386, bits=32)
    try:
        subprocess.run([path], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"this kernel runs no 32-bit programs: {error}")
    assert run(filtered(bundle, *architectures), path) == code


def test_an_x32_call_is_under_the_filter_where_that_is_listed(bundle: Bundle, tmp_path: Path) -> None:
    """Whether the kernel has such calls or not: the filter is asked first."""
    (tmp_path / "programs").mkdir(mode=0o755)
    path = put(tmp_path / "programs", X32, bits=64)
    assert run(filtered(bundle, "SCMP_ARCH_X86_64", "SCMP_ARCH_X32"), path) == ERRNO
    plain = subprocess.run([path], check=False).returncode
    bundle.config["mounts"].pop()
    assert run(filtered(bundle, "SCMP_ARCH_X86_64"), path) == plain
