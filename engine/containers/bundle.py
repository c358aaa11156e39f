"""What a container's directory holds besides the record: the files that are bind-mounted in, FIFOs, bundle."""

from __future__ import annotations

import os
from pathlib import Path

from engine.containers import pipes
from engine.containers.process import ProcessPlan

_HOSTS = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def lay_out(directory: Path, plan: ProcessPlan, ip: str, resolv_conf: str) -> None:
    """Make everything but the OCI config and the record; `directory` exists and is empty but for its lock."""
    os.mkdir(directory / "log", 0o700)
    os.makedirs(directory / "bundle" / "rootfs", 0o711)
    pipes.make(directory)
    _write(directory / "hosts", hosts(ip, plan.hostname))
    _write(directory / "hostname", plan.hostname + "\n")
    _write(directory / "resolv.conf", resolv_conf)


def hosts(ip: str, hostname: str) -> str:
    """/etc/hosts as Docker writes it: loopback, IPv6's names, then the container itself."""
    short = hostname.partition(".")[0]
    names = hostname if short == hostname else f"{hostname} {short}"
    return f"{_HOSTS}{ip}\t{names}\n"


def _write(path: Path, text: str) -> None:
    """World-readable: any user inside the container resolves names by it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    try:
        os.fchmod(descriptor, 0o644)  # whatever the umask of the caller is
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
