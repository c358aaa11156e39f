"""What a container's directory holds besides the record: the files that are bind-mounted in, FIFOs, bundle."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from engine.containers import isolation, log_limits, mounting, names, pipes, spares
from engine.containers.mounting import MountPoint
from engine.containers.process import ProcessPlan
from engine.containers.sharing import NetworkPlace
from engine.containers.spec import ContainerSpec
from engine.errors import InvalidArgument, Unsupported
from engine.options import log_options
from engine.runtime import hiding
from engine.runtime.compile_monitor import init_program
from engine.runtime.spec import Bind, ProcessSettings, build, standard_binds

# Static programs that take the same arguments ("--", then the program's own).
_INSTALLED = ("/usr/bin/tini-static", "/usr/bin/docker-init", "/usr/libexec/podman/catatonit", "/usr/bin/catatonit")


@dataclass(frozen=True, slots=True)
class HostPlace:
    """What the host gives: a place in a network, mounts, Portside's home, and `run`, where compiled programs are."""

    network: NetworkPlace
    mounts: Sequence[MountPoint]
    home: Path
    run: Path


def lay_out(
    directory: Path, final: Path, spec: ContainerSpec, plan: ProcessPlan, host: HostPlace, *, was_spare: bool
) -> None:
    """Make everything but the record in `directory`, which will be renamed to `final`.

    It holds its lock only, or with `was_spare` what a spare one does.

    Raises `InvalidArgument` for what no start could succeed with, `Unsupported` for what this host hasn't.
    """
    if not was_spare:
        spares.begin(directory)
    log_limits.save(directory, log_options.read(spec.log_driver, spec.log_opt))
    if spec.stdin_open and not spec.tty:
        pipes.make_input(directory)
    if host.network.files is not None:
        for name in spares.BOUND if was_spare else ():
            os.unlink(directory / name)
    else:
        write_hosts(directory, host.network, spec, plan.hostname)
        _write(directory / "hostname", plan.hostname + "\n")
        _write(directory / "resolv.conf", host.network.resolv_conf_of(spec))
    init = str(final / "init") if spec.init else None
    if init is not None:
        _place_init(directory / "init", host.run)
    usual = standard_binds(host.network.files or final, read_only=spec.read_only)
    binds = mounting.binds(host.mounts, usual, host.home, privileged=spec.privileged)
    settings = isolation.settings(spec, plan, binds, init)
    _refuse_uncovered(settings, binds)
    settings = replace(settings, tmpfs=[*settings.tmpfs, *mounting.in_memory(host.mounts)])
    _write(directory / spares.CONFIG, json.dumps(build(settings), separators=(",", ":")), 0o600)


def _refuse_uncovered(settings: ProcessSettings, binds: Sequence[Bind]) -> None:
    """What a start would refuse, said before there is a container (`engine.runtime.mounts.open_source`)."""
    for bind in binds:
        if bind.hides and settings.user_namespace:
            raise InvalidArgument(hiding.refusal(bind.source), {"field": "volumes"})


def write_hosts(directory: Path, place: NetworkPlace, spec: ContainerSpec, hostname: str) -> None:
    """/etc/hosts; written in place, since a bind mount shows the file and not its name."""
    text = names.hosts(
        None if place.endpoint is None else place.endpoint.ip,
        hostname,
        domainname=spec.domainname,
        extra=spec.extra_hosts,
        gateway="127.0.0.1" if place.endpoint is None else place.endpoint.gateway,
        ip6=place.ip6,
        usual=place.hosts or names.HOSTS,
    )
    _write(directory / "hosts", text)


def follow_networks(directory: Path, spec: ContainerSpec, usual: Callable[[], str], *, embedded: bool) -> None:
    """Let /etc/resolv.conf name our own resolver while the container is on a network of a name, and only then.

    What somebody wrote into it meanwhile stays, unless it has to change.
    """
    path = directory / "resolv.conf"
    if names.is_embedded(path.read_text(encoding="utf-8", errors="replace")) != embedded:
        _write(path, names.resolv_conf(spec, usual(), embedded=embedded))


def _place_init(path: Path, run: Path) -> None:
    """The small process 1, kept with the container: what it is bound to must be there at every start."""
    run.mkdir(parents=True, exist_ok=True, mode=0o700)
    program = init_program(run) or next((Path(name) for name in _INSTALLED if os.path.isfile(name)), None)
    if program is None:
        raise Unsupported(
            "init: this host has neither a C compiler nor tini or catatonit; install one of them, or leave it out",
            {"field": "init"},
        )
    shutil.copyfile(program, path)
    os.chmod(path, 0o755)  # noqa: S103 - every user of the container runs it


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    """World-readable by default: any user inside the container resolves names by these files."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, mode)
    try:
        if os.fstat(descriptor).st_size:  # not by O_TRUNC, after which ext4 begins to write to the disk at the close
            os.ftruncate(descriptor, 0)
        os.fchmod(descriptor, mode)  # whatever the umask of the caller is
        content = text.encode()
        while content:  # a disk that is nearly full takes a part
            content = content[os.write(descriptor, content) :]
    finally:
        os.close(descriptor)
