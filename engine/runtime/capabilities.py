"""Capabilities by name and number (linux/capability.h), and the few that a container keeps."""

from __future__ import annotations

NAMES = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
]
NUMBERS = {f"CAP_{name}": number for number, name in enumerate(NAMES)}

DEFAULT = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
)
"""Podman's eleven: Docker's without MKNOD, NET_RAW and AUDIT_WRITE."""


def mask(names: list[str] | tuple[str, ...]) -> int:
    """The bit mask of capabilities given by name ("CAP_CHOWN"); ValueError names an unknown one."""
    bits = 0
    for name in names:
        if name not in NUMBERS:
            raise ValueError(f"{name} is not a capability")
        bits |= 1 << NUMBERS[name]
    return bits


def last_capability() -> int:
    """The highest number that this kernel knows; read once, so that the launcher can do it for its children."""
    if not _last:
        with open("/proc/sys/kernel/cap_last_cap") as file:
            _last.append(int(file.read()))
    return _last[0]


_last: list[int] = []


def held() -> int:
    """The bit mask of what this process may give: its permitted ones that are in its bounding set, too."""
    with open("/proc/self/status") as file:
        fields = dict(line.split(":\t") for line in file if line.startswith(("CapPrm", "CapBnd")))
    return int(fields["CapPrm"], 16) & int(fields["CapBnd"], 16)
