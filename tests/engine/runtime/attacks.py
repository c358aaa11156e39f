"""What attacks.c tries, and how its answers are read. A guard counts as tested where the same attack succeeds
without it: each is run in a container as it is by default ("tight") and in one whose guards are taken away ("loose").
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import secrets
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engine.runtime import capabilities

SOURCE = Path(__file__).with_suffix(".c")
REFUSED = {"EPERM", "EACCES", "ENOSYS", "EROFS", "ESRCH", "ENOENT", "ECONNREFUSED", "ENOTDIR", "empty", "absent"}
ABSENT = {"ENOSYS", "EAFNOSUPPORT", "ENODEV", "ENXIO", "absent", "empty"}
"""What a kernel without the thing says to one who has every right."""

MOUNTS = (
    "mount", "mount-over-proc", "remount-sysfs", "umount", "pivot_root", "fsopen", "open_tree", "move_mount",
    "mount_setattr", "binfmt_misc", "cgroup-v1", "release_agent",
)  # fmt: skip
NAMESPACES = ("unshare-user", "unshare-mount", "clone-user", "clone3-user", "setns", "sethostname")
KERNEL = (
    "bpf", "perf_event_open", "io_uring", "userfaultfd", "keyctl", "add_key", "open_by_handle_at", "init_module",
    "delete_module", "kexec_load", "reboot", "swapon", "acct", "set-the-clock", "dmesg", "vsock", "alg", "raw-socket",
    "packet-socket",
)  # fmt: skip
FILES = (
    "sysrq", "core_pattern", "modprobe", "poweroff_cmd", "uevent_helper", "panic_on_oom", "irq",
    "transparent_hugepage", "cgroup.procs", "cgroup.procs-v2", "kcore", "keys", "timer_list", "interrupts",
    "firmware", "acpi",
)  # fmt: skip
NEIGHBOURS = (
    "signal-a-neighbour", "ptrace-a-neighbour", "read-a-neighbour", "write-a-neighbour", "descriptor-of-a-neighbour",
    "kcmp", "root-of-a-neighbour", "abstract-socket", "shared-memory",
)  # fmt: skip
DEVICES = ("make-disk", "make-kmsg", "make-mem", "open-disk", "open-kmsg", "open-mem")
HELD_BY_USERS = (
    *DEVICES, "acct", "cgroup.procs", "core_pattern", "delete_module", "dmesg", "init_module", "irq", "kexec_load",
    "modprobe", "open_by_handle_at", "panic_on_oom", "poweroff_cmd", "release_agent", "set-the-clock", "swapon",
    "sysrq", "timer_list", "transparent_hugepage", "uevent_helper",
)  # fmt: skip
"""What a user namespace alone refuses: the rights that these take are the host's."""
WAYS_UP = ("way-up", "chroot-twice")
EVERY = (*MOUNTS, *NAMESPACES, *KERNEL, *FILES, *NEIGHBOURS, *DEVICES, *WAYS_UP)


def compiled(directory: Path) -> Path:
    """The program, static, so that it runs in any image."""
    program = directory / "attacks"
    subprocess.run(["cc", "-static", "-w", "-O1", "-o", program, SOURCE], check=True)
    return program


def all_capabilities() -> list[str]:
    """Those that this process has, and so may give away."""
    status = Path("/proc/self/status").read_text()
    bits = int(status.partition("CapEff:\t")[2].split()[0], 16)
    return [name for name, number in capabilities.NUMBERS.items() if bits >> number & 1]


def with_the_hosts_users(config: dict[str, Any]) -> None:
    """Without a user namespace."""
    linux = config["linux"]
    for key in ("uidMappings", "gidMappings"):
        linux.pop(key, None)
    linux["namespaces"] = [entry for entry in linux["namespaces"] if entry["type"] != "user"]


def loosen(config: dict[str, Any]) -> None:
    """Take every guard away from a config.json that a bundle can do without."""
    every = all_capabilities()
    process, linux = config["process"], config["linux"]
    process["capabilities"] = dict.fromkeys(("bounding", "effective", "permitted"), every)
    process["noNewPrivileges"] = False
    for key in ("seccomp", "maskedPaths", "readonlyPaths"):
        linux.pop(key, None)
    with_the_hosts_users(config)
    for mount in config["mounts"]:
        if mount["type"] in ("sysfs", "cgroup"):
            mount["options"] = [option for option in mount["options"] if option != "ro"]


def loosen_all_but_users(config: dict[str, Any]) -> None:
    """As `loosen`, but for the user namespace."""
    users = [entry for entry in config["linux"]["namespaces"] if entry["type"] == "user"]
    loosen(config)
    config["linux"]["namespaces"] += users


@contextlib.contextmanager
def targets(marker: Path) -> Iterator[list[str]]:
    """The program's arguments: things of the host that a container must not reach, there while it runs."""
    name, key = f"portside-{secrets.token_hex(8)}", secrets.randbelow(1 << 30) + 1
    libc = ctypes.CDLL(None, use_errno=True)
    memory = libc.shmget(key, 4096, 0o1666)
    assert memory >= 0, os.strerror(ctypes.get_errno())
    disk = [str(number) for number in _disk()]
    with socket.socket(socket.AF_UNIX) as listener, subprocess.Popen(["/bin/sleep", "1000"]) as victim:
        listener.bind(f"\0{name}")
        listener.listen(8)
        try:
            yield [str(victim.pid), name, str(key), *disk, str(marker)]
        finally:
            victim.kill()
            libc.shmctl(memory, 0, None)  # IPC_RMID


def _disk() -> tuple[int, int]:
    """Major and minor of the machine's first disk."""
    words = Path("/proc/partitions").read_text().split()[4:6]
    return (int(words[0]), int(words[1])) if words else (8, 0)


def _machine_opens_its_disk() -> bool:
    """Some machines, being guests in a group themselves, may not."""
    with tempfile.TemporaryDirectory() as directory:
        os.mknod(f"{directory}/disk", 0o60600, os.makedev(*_disk()))
        try:
            os.close(os.open(f"{directory}/disk", os.O_RDONLY | os.O_NONBLOCK))
        except OSError:
            return False
    return True


def read(output: str) -> dict[str, str]:
    return dict(line.split() for line in output.splitlines())


def check_tight(answers: dict[str, str], name: str) -> None:
    assert answers[name] in REFUSED, f"{name} got {answers[name]}"


def check_loose(answers: dict[str, str], name: str) -> None:
    """The attack does what it claims when nothing stands in its way."""
    if answers[name] in ABSENT or (name == "open-disk" and not _machine_opens_its_disk()):
        pytest.skip(f"this kernel has no {name}")
    assert answers[name] == "ok"
