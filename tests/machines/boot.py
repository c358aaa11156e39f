"""QEMU around the disk: one processor, no network, the project as an archive on the second disk."""

from __future__ import annotations

import os
import shlex
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.machines.image import PROJECT
from tests.support import images

MEMORY_MIB = 2048
NICENESS = 1


def why_not() -> str:
    """What is missing for a virtual machine on this one, or nothing."""
    if os.uname().machine != "x86_64":
        return f"the machines are x86_64, and this is {os.uname().machine}"
    if os.geteuid() != 0:
        return "only root can make the machine's disk"
    return ""


def accelerated() -> list[str]:
    """KVM where the processor has what stock kernels need for it; else QEMU translates, on one of our processors.

    /dev/kvm alone doesn't say it: inside of some virtual machines it runs only kernels that were made for it.
    """
    flags = Path("/proc/cpuinfo").read_text().split()
    if ("vmx" in flags or "svm" in flags) and os.access("/dev/kvm", os.R_OK | os.W_OK):
        return ["-accel", "kvm", "-cpu", "host"]
    # QEMU 7.2 translates cmpxchg16b so that newer kernels stumble over it; they do without.
    return ["-accel", "tcg,thread=single", "-cpu", "max,-cx16"]


def run(kernel: Path, disk: Path, command: Sequence[str], *, arguments: str = "", minutes: float = 60) -> int:
    """Run `command` in the project's directory on that kernel; its exit code, 1 if the machine died before it.

    The output goes to ours. `arguments`: more for the kernel's command line.
    """
    with tempfile.TemporaryDirectory(prefix="portside-machine-") as scratch:
        archive, status = Path(scratch) / "project.tar", Path(scratch) / "status"
        _pack(archive, command)
        initrd = kernel.with_name(kernel.name.replace("vmlinuz-", "initrd.img-"))
        # no_timer_check: where this machine is busy, its ticks come too late for the check that is made of them
        line = f"console=ttyS0 root=/dev/vda rw init=/init quiet loglevel=1 no_timer_check panic=-1 {arguments}"
        qemu = [
            "nice", "-n", str(NICENESS), "qemu-system-x86_64", *accelerated(), "-smp", "1",
            "-m", str(MEMORY_MIB), "-display", "none", "-no-reboot", "-nic", "none", "-kernel", str(kernel),
            "-initrd", str(initrd), "-append", line, "-serial", "stdio", "-serial", f"file:{status}",
            "-drive", f"file={disk},if=virtio,format=raw,snapshot=on",
            "-drive", f"file={archive},if=virtio,format=raw,readonly=on",
        ]  # fmt: skip
        try:
            subprocess.run(qemu, check=False, stdin=subprocess.DEVNULL, timeout=minutes * 60)
        except subprocess.TimeoutExpired:
            print(f"The machine was stopped: it was not ready after {minutes:g} minutes.", flush=True)
            return 1
        told = status.read_text().split() if status.exists() else []
        return int(told[-1]) if told else 1


def _pack(archive: Path, command: Sequence[str]) -> None:
    """The files that git knows or would add, below project/, the command, and the image that takes a network."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    with tarfile.open(archive, "w") as tar, tempfile.NamedTemporaryFile("w", suffix=".sh") as script:
        for name in sorted(set(filter(None, listing.split("\0")))):
            if (PROJECT / name).exists():
                tar.add(PROJECT / name, f"project/{name}", recursive=False)
        script.write(shlex.join(command) + "\n")
        script.flush()
        tar.add(script.name, "project/.machine-command")
        debian = images.debian()  # the machine has no network to make it with
        tar.add(debian, f"root/.cache/portside-tests/{debian.name}")
