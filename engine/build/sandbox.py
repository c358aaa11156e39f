"""One RUN on the kernel's side: a process of the project's own runtime, without a container's record.

    directory (config.json, pipes, hosts …) ─► cgroup ─► runtime.create ─► network ─► runtime.start ─► output ─► end

It lives in a cgroup beside the containers' own, so that builds as a whole are held back by one weight, and below the
host's, whose limits are all builds' and containers' together. Whoever dies in between leaves a directory in the build's
workplace, of which the next start ends what it began (`end`).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from engine.build.spec import BuildLimits
from engine.cgroups import Cgroups, Resources
from engine.config import EngineConfig
from engine.containers import devices, host_devices, names, pipes
from engine.errors import Cancelled, EngineError, InvalidArgument, Unavailable
from engine.network.service import Network
from engine.options import values
from engine.runtime import capabilities, defaults, record
from engine.runtime.apparmor import profile
from engine.runtime.client import Runtime
from engine.runtime.layers import Overlay
from engine.runtime.spec import Bind, DeviceNode, ProcessSettings, TmpfsMount, build, standard_binds

HOSTNAME = "build"
_RUN = 1
_READ_BYTES = 64 << 10
_POLL_MS = 50
_END_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Layers:
    """What to run on, as `Snapshots` names it: absolute paths, the top one first."""

    lowerdirs: tuple[str, ...]
    upperdir: str
    workdir: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """`env`: "NAME=value"; `user` as in an image's config; `network`: default, none, host; `add_hosts`: name:address.

    `shares_users`: no user namespace, for what can't be shown to other users. `insecure`: as a privileged container has
    it. `devices` of the host, with `device_rules` of its control group; `groups`: supplementary ones.
    """

    args: tuple[str, ...]
    env: tuple[str, ...]
    user: str
    cwd: str
    network: str = "default"
    add_hosts: tuple[str, ...] = ()
    binds: Sequence[Bind] = ()
    tmpfs: Sequence[TmpfsMount] = ()
    limits: BuildLimits = field(default_factory=BuildLimits)
    shares_users: bool = False
    hostname: str = HOSTNAME
    insecure: bool = False
    devices: Sequence[DeviceNode] = ()
    device_rules: tuple[str, ...] = ()
    groups: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Kernel:
    """What of the engine a RUN needs. `cgroups`: those of builds, which `runtime` uses too."""

    config: EngineConfig
    runtime: Runtime
    cgroups: Cgroups
    network: Network


@dataclass(slots=True)
class _Run:
    id: str
    directory: Path
    held: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)


def targets(command: Command) -> list[str]:
    """Where a start makes directories and files for mounts, from the root on."""
    own = ["proc", "sys", "dev", "etc/resolv.conf", "etc/hosts", "etc/hostname"]
    mounted = [*(bind.target for bind in command.binds), *(entry.target for entry in command.tmpfs)]
    return [*own, *(target.strip("/") for target in mounted)]


def run(
    host: Kernel,
    runs: Path,
    command: Command,
    layers: Overlay,
    *,
    log: Callable[[bytes], None],
    cancel: threading.Event,
) -> int:
    """Run it to its end; `log` gets what it prints. Returns its exit code: 126 and 127 if it can't be executed.

    `runs`: a directory for what it needs meanwhile. Raises `Cancelled` after killing it, `InvalidArgument` for a user
    or a mount that can't be, `Unavailable`, `ResourceExhausted`. Nothing of it is left then.
    """
    with _laid_out(host, runs, command) as place:
        host.cgroups.create(place.id, _resources(command))
        _weigh(host.cgroups)
        place.held.callback(host.cgroups.remove, place.id)
        _restrict(host.cgroups, place.id, command)
        place.held.callback(host.runtime.abort, place.directory)
        created = host.runtime.create(place.directory, _RUN, layers)
        if command.network == "default":
            host.network.attach(place.id, created.pid)
        readers = _readers(place)
        try:
            host.runtime.start(place.directory)
        except InvalidArgument as error:
            code = error.detail.get("exit_code")
            if not isinstance(code, int):
                raise
            log(error.message.encode() + b"\n")
            return code
        _pump(host, place, readers, log=log, cancel=cancel)
        return _end(host, place, log, cancel)


@contextlib.contextmanager
def _laid_out(host: Kernel, runs: Path, command: Command) -> Iterator[_Run]:
    identifier = secrets.token_hex(32)
    place = _Run(identifier, runs / identifier)
    with place.held as held:
        place.directory.mkdir(mode=0o700)
        held.callback(shutil.rmtree, place.directory, ignore_errors=True)
        if command.network == "default":
            held.callback(host.network.release, identifier)
        os.makedirs(place.directory / "bundle" / "rootfs", 0o700)
        pipes.make(place.directory)
        _write_names(host, command, place)
        settings = _settings(command, place.directory)
        config = json.dumps(build(settings), separators=(",", ":"))
        _write(place.directory / "bundle" / "config.json", config, 0o600)
        yield place


def _write_names(host: Kernel, command: Command, place: _Run) -> None:
    endpoint = host.network.allocate(place.id) if command.network == "default" else None
    text = names.hosts(
        None if endpoint is None else endpoint.ip,
        command.hostname,
        extra=command.add_hosts,
        gateway="127.0.0.1" if endpoint is None else endpoint.gateway,
    )
    _write(place.directory / "hosts", text)
    _write(place.directory / "hostname", command.hostname + "\n")
    _write(place.directory / "resolv.conf", host.network.resolv_conf())


def _settings(command: Command, directory: Path) -> ProcessSettings:
    settings = _confined(command, directory)
    if not command.insecure:
        return settings
    given = {node.path for node in command.devices}
    held = capabilities.held()
    return replace(
        settings,
        capabilities=tuple(name for name, number in capabilities.NUMBERS.items() if held >> number & 1),
        seccomp=False,
        apparmor_profile="",
        user_namespace=False,
        masked_paths=(),
        readonly_paths=(),
        writable_kernel=True,
        devices=[*(node for node in host_devices.every() if node.path not in given), *command.devices],
    )


def _confined(command: Command, directory: Path) -> ProcessSettings:
    return ProcessSettings(
        args=command.args,
        env=command.env,
        user=command.user,
        cwd=command.cwd,
        hostname=command.hostname,
        binds=[*standard_binds(directory), *command.binds],
        tmpfs=command.tmpfs,
        no_new_privileges=False,  # su, sudo and their kin are part of many a build
        user_namespace=not command.shares_users and command.network != "host",  # whose /sys no other users may have
        apparmor_profile=profile.NAME,
        shm_bytes=command.limits.shm_bytes or defaults.SHM_BYTES,
        rlimits={limit.name: (limit.soft, limit.hard) for limit in map(values.ulimit, command.limits.ulimits)},
        sysctls={} if command.network == "host" else dict(defaults.SYSCTLS),
        host_namespaces={"network"} if command.network == "host" else (),
        devices=command.devices,
        groups=command.groups,
    )


def _restrict(cgroups: Cgroups, identifier: str, command: Command) -> None:
    """Version 2 has no list of devices by itself, and whoever has none can't make any (`rootfs.py` of the runtime)."""
    if cgroups.version == "v2" and command.devices and not command.insecure:
        devices.restrict(cgroups.directories(identifier)["unified"], command.device_rules)


def _weigh(cgroups: Cgroups) -> None:
    """Let all builds together have a quarter of one container's share of processors that both want (cgroups(7))."""
    hierarchy = cgroups.hierarchy
    if cgroups.version == "v2" and hierarchy.unified is not None:
        path, weight = hierarchy.unified / cgroups.parent / "cpu.weight", 25
    elif "cpu" in hierarchy.v1:
        path, weight = hierarchy.v1["cpu"] / cgroups.parent / "cpu.shares", 256
    else:
        return
    with contextlib.suppress(OSError, EngineError):
        if path.read_text().strip() != str(weight):
            path.write_text(str(weight))


def _resources(command: Command) -> Resources:
    limits = command.limits
    return Resources(
        memory_bytes=limits.memory_bytes,
        memory_swap=limits.memory_swap,
        cpus=limits.cpus,
        cpu_shares=limits.cpu_shares,
        cpuset_cpus=limits.cpuset_cpus,
        pids_limit=limits.pids,
        device_rules=command.device_rules,
        all_devices=command.insecure,
    )


def _readers(place: _Run) -> set[int]:
    """Its output, opened before it starts: the end of a pipe shows only to who has it open while somebody writes."""
    found = set()
    for name in pipes.STREAMS:
        reader = os.open(place.directory / name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        place.held.callback(os.close, reader)
        found.add(reader)
    return found


def _pump(
    host: Kernel, place: _Run, readers: set[int], *, log: Callable[[bytes], None], cancel: threading.Event
) -> None:
    """Until nobody has the pipes open any more, or the first process has ended and they are empty."""
    poller = select.poll()
    for reader in readers:
        poller.register(reader, select.POLLIN)
    left = set(readers)
    while left:
        _stop_if(host, place, cancel)
        is_over = record.await_end(str(place.directory), 0, _RUN)
        ready = poller.poll(0 if is_over else _POLL_MS)
        for reader, _ in ready:
            if data := _read(reader):
                log(data)
            elif data is not None:
                poller.unregister(reader)
                left.discard(reader)
        if is_over and not ready:
            return


def _read(reader: int) -> bytes | None:
    """What is there; nothing at the end, None if there may be more later."""
    try:
        return os.read(reader, _READ_BYTES)
    except BlockingIOError:
        return None


def _end(host: Kernel, place: _Run, log: Callable[[bytes], None], cancel: threading.Event) -> int:
    while (status := host.runtime.wait(place.directory, _RUN, _POLL_MS / 1000)) is None:
        _stop_if(host, place, cancel)
    if status.lost:
        raise Unavailable("the command's end was not seen by anybody: its processes were killed; build again")
    if host.cgroups.oom_kills(place.id):
        log(b"[a process was killed: the step's memory limit, or the machine's memory, was used up]\n")
    _await_monitor(place)
    return status.code


def _await_monitor(place: _Run) -> None:
    """Its monitor holds the root's mount for a moment longer, and the layer is to be nobody's upper directory then."""
    found = record.read_run(str(place.directory))
    if found is None or "monitor_pid" not in found:
        return
    with contextlib.suppress(ProcessLookupError):
        monitor = os.pidfd_open(found["monitor_pid"])
        try:
            if record.start_ticks(found["monitor_pid"]) == found["monitor_start_ticks"]:
                ended = select.poll()
                ended.register(monitor, select.POLLIN)
                ended.poll(int(_END_SECONDS * 1000))
        finally:
            os.close(monitor)


def _stop_if(host: Kernel, place: _Run, cancel: threading.Event) -> None:
    if cancel.is_set():
        host.cgroups.kill(place.id)
        raise Cancelled("cancelled")


def end(host: Kernel, directory: Path) -> None:
    """End what was begun in the directory of one run, by a build whose process has died."""
    with contextlib.suppress(EngineError):
        host.runtime.abort(directory)
    with contextlib.suppress(EngineError):
        host.cgroups.remove(directory.name)
    with contextlib.suppress(EngineError):
        host.network.release(directory.name)
    shutil.rmtree(directory, ignore_errors=True)


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    """Any user inside may read it, unless `mode` says otherwise."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
