"""What a container's directory holds besides the record: the files that are bind-mounted in, FIFOs, bundle."""

from __future__ import annotations

import json
import os
from pathlib import Path

from engine.containers import pipes
from engine.containers.process import ProcessPlan
from engine.runtime.spec import ProcessSettings, build, standard_binds

_HOSTS = """127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
"""


def lay_out(directory: Path, final: Path, plan: ProcessPlan, ip: str, resolv_conf: str) -> None:
    """Make everything but the record in `directory`, which will be renamed to `final` and holds its lock only.

    Raises `InvalidArgument` for what no start could succeed with.
    """
    os.mkdir(directory / "log", 0o700)
    os.makedirs(directory / "bundle" / "rootfs", 0o700)
    pipes.make(directory)
    write_hosts(directory, ip, plan.hostname)
    _write(directory / "hostname", plan.hostname + "\n")
    _write(directory / "resolv.conf", resolv_conf)
    settings = ProcessSettings(
        args=plan.args,
        env=plan.env,
        user=plan.user,
        cwd=plan.cwd,
        hostname=plan.hostname,
        binds=standard_binds(final),
    )
    _write(directory / "bundle" / "config.json", json.dumps(build(settings), separators=(",", ":")), 0o600)


def write_hosts(directory: Path, ip: str, hostname: str) -> None:
    """/etc/hosts; written in place, since a bind mount shows the file and not its name."""
    _write(directory / "hosts", hosts(ip, hostname))


def hosts(ip: str, hostname: str) -> str:
    """/etc/hosts as Docker writes it: loopback, IPv6's names, then the container itself."""
    short = hostname.partition(".")[0]
    names = hostname if short == hostname else f"{hostname} {short}"
    return f"{_HOSTS}{ip}\t{names}\n"


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    """World-readable by default: any user inside the container resolves names by these files."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    try:
        os.fchmod(descriptor, mode)  # whatever the umask of the caller is
        content = text.encode()
        while content:  # a disk that is nearly full takes a part
            content = content[os.write(descriptor, content) :]
    finally:
        os.close(descriptor)
