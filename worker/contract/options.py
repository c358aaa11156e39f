"""What a container can be given besides its image and its command: fields of `commands.CreateContainer`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class PortMapping:
    """`host` None asks for a free port, `host_last` for the first free one from `host` to there; `protocol` is tcp, udp
    or sctp; `address` one of the host's.
    """

    container: int
    host: int | None = None
    protocol: str = "tcp"
    address: str = "127.0.0.1"
    host_last: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerOptions:
    """Options of `docker run` under their own names, all of which may be left out.

    Lists hold what one such option is given ("/dev/fuse:/dev/fuse:rwm", "nofile=1024:2048"), sizes are bytes, times
    seconds, `cpu_quota`, `cpu_rt_…` and `cpu_period` microseconds; a `security_opt` of seccomp= holds the profile
    itself, not the name of a file. `tty` gives it a terminal, `stdin_open` an input that stays open for those who
    attach, `stdin_once` lets it end with the first of them who ends it. `userns` is auto (ids of its own) or host,
    `runtime` portside or one that the host has.

    `healthcheck` is {"test": ["CMD", …] | ["CMD-SHELL", line] | ["NONE"], "interval_seconds", "timeout_seconds",
    "start_period_seconds", "start_interval_seconds", "retries"}, each of which may be left out for the image's own.
    `restart_unhealthy` restarts what fails it; `depends_on` names containers that a boot of the host starts first.

    `network` is bridge, none, host, container:ID, or the name of a network (with :ip=…,mac=…,alias=… after it, or by
    `ip`, `ip6`, `mac_address`, `network_alias`), `networks` are further ones in the same words, `link` what it calls
    others there, as CONTAINER:ALIAS. `pid` is private, host or container:ID; `ipc` private, shareable, none, host or
    container:ID; `uts` and `cgroupns` private or host.
    `publish_all` publishes what image and `expose` name, at `publish_address` (None: 127.0.0.1). `pull` is missing,
    always or never, `platform` as linux/arm64.
    `log_driver` is json-file, local or none, `log_opt` what one of Docker's json-file has, `storage_opt` size.
    `volumes`, `mounts` and `volumes_from` hold what --volume, --mount and --volumes-from are given.
    """

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
