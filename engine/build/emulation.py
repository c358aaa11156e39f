"""Whether this machine can run programs of another one: by the kernel's binfmt_misc (Documentation/admin-guide).

An entry counts if it is enabled and has the flag F: then the kernel opened the emulator when it was registered, and
finds it in every container. Entries are known by the names that qemu's and docker's registrations give them.
"""

from __future__ import annotations

from pathlib import Path

from engine.errors import Unsupported
from engine.oci.platform import Platform

_REGISTERED = Path("/proc/sys/fs/binfmt_misc")
_QEMU = {
    "amd64": "x86_64", "386": "i386", "arm64": "aarch64", "arm": "arm", "riscv64": "riscv64", "ppc64le": "ppc64le",
    "s390x": "s390x", "mips64le": "mips64el", "mips64": "mips64", "loong64": "loongarch64",
}  # fmt: skip


def require_runnable(platform: Platform, host: Platform, registered: Path = _REGISTERED) -> None:
    """Raises `Unsupported` where `host` can't run programs of `platform`, and has no emulator for them."""
    if not platform.architecture or _is_native(platform, host) or _has_emulator(platform, registered):
        return
    raise Unsupported(
        f"RUN needs a machine of {platform}, and this host is {host}: build it on such a host, register an emulator "
        f"here (qemu-{_QEMU.get(platform.architecture, platform.architecture)} in binfmt_misc, with the flag F), or "
        "run the command in a stage FROM --platform=$BUILDPLATFORM and COPY what it makes",
        {"platform": str(platform), "host": str(host)},
    )


def _is_native(platform: Platform, host: Platform) -> bool:
    """x86-64 runs programs of 32 bits; its own variants (v2 …) differ by what a program may find out by itself."""
    if host.architecture == "amd64":
        return platform.architecture in ("amd64", "386")
    return host.rank(platform) is not None


def _has_emulator(platform: Platform, registered: Path) -> bool:
    name = _QEMU.get(platform.architecture)
    if name is None:
        return False
    try:
        if (registered / "status").read_text().strip() != "enabled":
            return False
        lines = (registered / f"qemu-{name}").read_text().splitlines()
    except OSError:
        return False
    flags = next((line.removeprefix("flags:").strip() for line in lines if line.startswith("flags:")), "")
    return lines[:1] == ["enabled"] and "F" in flags
