"""What a person asks for when creating a container, checked before anything is made.

Every complaint names the field (in `detail["field"]` too) and says what would be right.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from operator import attrgetter
from typing import Any

from engine.containers import restarts
from engine.errors import InvalidArgument
from engine.oci.reference import Reference
from engine.options import checking
from engine.options.naming import HOST_NAME, HOST_NAME_RULE
from engine.options.ports import between, problem_of_address

NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
ID = re.compile(r"[0-9a-f]{64}")
NAME_LENGTH = 128
MEMORY_MINIMUM_BYTES = 6 << 20  # Docker's minimum: less doesn't even start a process
LIMIT_MAXIMUM = 1 << 60
PIDS_MAXIMUM = 1 << 22  # PID_MAX_LIMIT of linux/threads.h
CPUS_MINIMUM = 0.01
PROTOCOLS = ("tcp", "udp", "sctp")


@dataclass(frozen=True, slots=True, kw_only=True)
class PortMapping:
    """Publish `container` on the host's `address`; `host` None takes a free port, `host_last` the first that is free
    from `host` to there.
    """

    container: int
    host: int | None = None
    protocol: str = "tcp"
    address: str = "127.0.0.1"
    host_last: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerSpec:
    """`id` is 64 hex digits chosen by the caller, so that creating twice ends where creating once does.

    Empty `command` and None mean the image's own (entrypoint, user, workdir) or no limit of ours (memory, cpus).
    `cpus` are cores, `restart_limit` belongs to restart policy on-failure.

    The fields from `cap_add` on are options of `docker run` under their own names: lists hold what one such option is
    given ("/dev/fuse:/dev/fuse:rwm", "nofile=1024:2048", "/run:size=64m"), sizes are bytes, times seconds, `cpu_quota`,
    `cpu_rt_…` and `cpu_period` microseconds; a `security_opt` of seccomp= holds the profile itself. `userns` is "auto"
    (ids of its own) or "host"; `tty` gives it a terminal, `stdin_open` an input that stays open for those who attach,
    `stdin_once` lets it end with the first of them who ends it; `runtime` is "portside" or one that is installed.

    `healthcheck` in the words of `engine.options.healthcheck`, None for the image's; `restart_unhealthy` starts it
    again when that fails. `depends_on` names containers that a boot of the host starts first.

    `network`, `pid`, `ipc`, `uts`, `cgroupns`: the words of `engine.options.modes`; `network` may name a network, which
    `ip`, `ip6`, `mac_address` and `network_alias` belong to; `networks` are further ones (`engine.options.networks`);
    `link` gives others names there that this container alone knows.
    `publish_all` publishes what image and `expose` name, at `publish_address` (None: 127.0.0.1). `pull`: "missing",
    "always" or "never"; `platform` as linux/arm64. `log_driver` and `log_opt`: words of `engine.options.log_options`;
    `storage_opt` of `engine.options.storage_options`.
    `bind_roots`: directories of the host (absolute, clean, without links), in one of which the source of each bind has
    to lie, without links; any if there are none.
    """

    id: str
    name: str
    image: str
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[PortMapping, ...] = ()
    user: str | None = None
    workdir: str | None = None
    hostname: str | None = None
    memory_bytes: int | None = None
    cpus: float | None = None
    pids_limit: int | None = None
    restart: str = "no"
    restart_limit: int | None = None
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    privileged: bool = False
    read_only: bool = False
    security_opt: tuple[str, ...] = ()
    userns: str = "auto"
    runtime: str = "portside"
    init: bool = False
    tty: bool = False
    stdin_open: bool = False
    stdin_once: bool = False
    devices: tuple[str, ...] = ()
    device_cgroup_rules: tuple[str, ...] = ()
    group_add: tuple[str, ...] = ()
    sysctls: Mapping[str, str] = field(default_factory=dict)
    ulimits: tuple[str, ...] = ()
    tmpfs: tuple[str, ...] = ()
    shm_size: int | None = None
    stop_signal: str | None = None
    stop_timeout: int | None = None
    auto_remove: bool = False
    domainname: str | None = None
    extra_hosts: tuple[str, ...] = ()
    dns: tuple[str, ...] = ()
    dns_search: tuple[str, ...] = ()
    dns_options: tuple[str, ...] = ()
    memory_reservation: int | None = None
    memory_swap: int | None = None
    oom_score_adj: int | None = None
    oom_kill_disable: bool = False
    cpu_shares: int | None = None
    cpu_quota: int | None = None
    cpu_period: int | None = None
    cpu_rt_runtime: int | None = None
    cpu_rt_period: int | None = None
    cpuset_cpus: str | None = None
    cpuset_mems: str | None = None
    blkio_weight: int | None = None
    device_read_bps: tuple[str, ...] = ()
    device_write_bps: tuple[str, ...] = ()
    device_read_iops: tuple[str, ...] = ()
    device_write_iops: tuple[str, ...] = ()
    healthcheck: Mapping[str, Any] | None = None
    restart_unhealthy: bool = False
    depends_on: tuple[str, ...] = ()
    network: str = "bridge"
    pid: str = "private"
    ipc: str = "private"
    uts: str = "private"
    cgroupns: str = "private"
    expose: tuple[str, ...] = ()
    publish_all: bool = False
    publish_address: str | None = None
    pull: str = "missing"
    platform: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    memory_swappiness: int | None = None
    blkio_weight_device: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    network_alias: tuple[str, ...] = ()
    link: tuple[str, ...] = ()
    ip: str | None = None
    ip6: str | None = None
    mac_address: str | None = None
    log_driver: str = "json-file"
    log_opt: Mapping[str, str] = field(default_factory=dict)
    storage_opt: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[str, ...] = ()
    mounts: tuple[str, ...] = ()
    volumes_from: tuple[str, ...] = ()
    volume_driver: str | None = None
    bind_roots: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON values only; `from_dict` reads it back."""
        data = dict(zip(_NAMES, _values(self), strict=True))  # asdict copies every value, slowly
        data["ports"] = tuple(asdict(port) for port in self.ports)
        for name in _MAPPINGS:
            data[name] = dict(data[name])
        if self.healthcheck is not None:
            data["healthcheck"] = dict(self.healthcheck)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ContainerSpec:
        """The reverse of `as_dict`; fields of a newer version are ignored."""
        known = {key: data[key] for key in cls.__dataclass_fields__ if key in data}
        for name in _LISTS & known.keys():
            known[name] = tuple(known[name] or ())
        if known.get("entrypoint") is not None:
            known["entrypoint"] = tuple(known["entrypoint"])
        known["ports"] = tuple(PortMapping(**port) for port in known.get("ports") or ())
        return cls(**known)


_NAMES = tuple(ContainerSpec.__dataclass_fields__)
_values = attrgetter(*_NAMES)
_MAPPINGS = ("env", "labels", "sysctls", "annotations", "log_opt", "storage_opt")
_LISTS = {name for name, made in ContainerSpec.__dataclass_fields__.items() if made.default == ()} - {"ports"}


def validate(spec: ContainerSpec, host_cpus: float | None = None) -> None:
    """Raise `InvalidArgument` for the first field that can't work. `host_cpus` defaults to this machine's."""
    _check_identity(spec)
    _check_process(spec)
    _check_limits(spec, host_cpus)
    _check_ports(spec.ports)
    for name, sentence in checking.problems(spec):
        raise _bad(name, sentence)


def _bad(field_name: str, message: str) -> InvalidArgument:
    return InvalidArgument(f"{field_name}: {message}", {"field": field_name})


def check_name(name: str) -> None:
    """Raise `InvalidArgument` for what can't be a container's name."""
    if not NAME.fullmatch(name) or len(name) > NAME_LENGTH:
        raise _bad(
            "name",
            f"{name!r} can't be a container's name; use letters, digits, '_', '.' and '-', starting with a "
            f"letter or digit, at most {NAME_LENGTH} characters",
        )


def _check_identity(spec: ContainerSpec) -> None:
    if not ID.fullmatch(spec.id):
        raise _bad("id", "64 lower-case hex digits are needed")
    check_name(spec.name)
    try:
        Reference.parse(spec.image)
    except InvalidArgument as error:
        raise _bad("image", error.message) from error
    if spec.hostname is not None and not HOST_NAME.fullmatch(spec.hostname):
        raise _bad("hostname", f"{spec.hostname[:80]!r} is no host name. {HOST_NAME_RULE}")


def _check_process(spec: ContainerSpec) -> None:
    for field_name, words in (("command", spec.command), ("entrypoint", spec.entrypoint or ())):
        if any("\0" in word for word in words):
            raise _bad(field_name, "an argument can't hold a NUL byte; remove it")
    for key, value in spec.env.items():
        if not key or "=" in key or "\0" in key:
            raise _bad("env", f"{key!r} can't be a variable's name; it must not be empty or hold '=' or NUL")
        if "\0" in value:
            raise _bad("env", f"the value of {key} can't hold a NUL byte; remove it")
    if spec.workdir is not None and (not spec.workdir.startswith("/") or "\0" in spec.workdir):
        raise _bad("workdir", f"{spec.workdir!r} is not absolute; start it with '/'")
    if spec.user is not None and ("\0" in spec.user or spec.user.count(":") > 1):
        raise _bad("user", f"{spec.user!r} is no user; write NAME, UID, NAME:GROUP, UID:GID or :GROUP")
    if spec.restart not in restarts.POLICIES:
        raise _bad("restart", f"{spec.restart!r} is no restart policy; use one of {', '.join(restarts.POLICIES)}")
    if spec.restart_limit is not None:
        if spec.restart != "on-failure":
            raise _bad("restart_limit", f"restart policy {spec.restart} has no limit; use on-failure or leave it out")
        if spec.restart_limit < 0:
            raise _bad("restart_limit", "it can't be negative; 0 means no limit")


def _check_limits(spec: ContainerSpec, host_cpus: float | None) -> None:
    if spec.memory_bytes is not None and spec.memory_bytes < MEMORY_MINIMUM_BYTES:
        raise _bad("memory_bytes", f"{spec.memory_bytes} is too little; give at least {MEMORY_MINIMUM_BYTES} (6 MiB)")
    if spec.memory_bytes is not None and spec.memory_bytes > LIMIT_MAXIMUM:
        raise _bad("memory_bytes", "it is more than any machine has; leave it out for no limit")
    if spec.cpus is not None:
        most = float(os.cpu_count() or 1) if host_cpus is None else host_cpus
        if not CPUS_MINIMUM <= spec.cpus <= most:
            raise _bad("cpus", f"{spec.cpus:g} is out of range; this host takes {CPUS_MINIMUM:g} to {most:g}")
    if spec.pids_limit is not None and spec.pids_limit < 1 and spec.pids_limit != -1:
        raise _bad("pids_limit", f"{spec.pids_limit} lets nothing run; give at least 1, or -1 for no limit")
    if spec.pids_limit is not None and spec.pids_limit > PIDS_MAXIMUM:
        raise _bad("pids_limit", f"the kernel counts to {PIDS_MAXIMUM} processes; give no more")


def _check_ports(ports: tuple[PortMapping, ...]) -> None:
    taken: set[tuple[str, int, str]] = set()
    for port in ports:
        if not 1 <= port.container <= 65535:
            raise _bad("ports", f"container port {port.container} is out of range; use 1 to 65535")
        if port.host is not None and not 1 <= port.host <= 65535:
            raise _bad("ports", f"host port {port.host} is out of range; use 1 to 65535, or none for a free one")
        if port.host_last is not None:
            try:
                between(port.host, port.host_last)
            except InvalidArgument as error:
                raise _bad("ports", error.message) from error
        if port.protocol not in PROTOCOLS:
            raise _bad("ports", f"protocol {port.protocol!r} is unknown; use one of {', '.join(PROTOCOLS)}")
        if problem := problem_of_address(port.address):
            raise _bad("ports", problem)
        if port.host is not None and port.host_last is None:
            key = (port.address, port.host, port.protocol)
            if key in taken:
                raise _bad("ports", f"{port.protocol} port {port.host} is asked for twice; remove one of them")
            taken.add(key)
