"""Bodies of /api/v1/containers/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Required, TypedDict


class NewContainer(TypedDict, total=False):
    """Everything but the image may be left out. Rules of the values: `webui.containers.request`."""

    cap_add: Sequence[str]
    cap_drop: Sequence[str]
    privileged: bool
    read_only: bool
    security_opt: Sequence[str]
    userns: str
    runtime: str
    init: bool
    tty: bool
    stdin_open: bool
    stdin_once: bool
    devices: Sequence[str]
    device_cgroup_rules: Sequence[str]
    group_add: Sequence[str]
    sysctls: Mapping[str, str]
    ulimits: Sequence[str]
    tmpfs: Sequence[str]
    volumes: Sequence[str]
    mounts: Sequence[str]
    volumes_from: Sequence[str]
    volume_driver: str | None
    shm_size: int | None
    stop_signal: str | None
    stop_timeout: int | None
    auto_remove: bool
    domainname: str | None
    extra_hosts: Sequence[str]
    dns: Sequence[str]
    dns_search: Sequence[str]
    dns_options: Sequence[str]
    memory_reservation: int | None
    memory_swap: int | None
    oom_score_adj: int | None
    oom_kill_disable: bool
    cpu_shares: int | None
    cpu_quota: int | None
    cpu_period: int | None
    cpu_rt_runtime: int | None
    cpu_rt_period: int | None
    cpuset_cpus: str | None
    cpuset_mems: str | None
    blkio_weight: int | None
    device_read_bps: Sequence[str]
    device_write_bps: Sequence[str]
    device_read_iops: Sequence[str]
    device_write_iops: Sequence[str]
    healthcheck: HealthcheckBody | None
    restart_unhealthy: bool
    network: str
    networks: Sequence[str]
    network_alias: Sequence[str]
    link: Sequence[str]
    ip: str | None
    ip6: str | None
    mac_address: str | None
    pid: str
    ipc: str
    uts: str
    cgroupns: str
    expose: Sequence[str]
    publish_all: bool
    publish_address: str | None
    pull: str
    platform: str | None
    annotations: Mapping[str, str]
    memory_swappiness: int | None
    blkio_weight_device: Sequence[str]
    log_driver: str
    log_opt: Mapping[str, str]
    storage_opt: Mapping[str, str]
    depends_on: Sequence[str]
    host: str | None
    name: str | None
    image: Required[str]
    command: Sequence[str]
    entrypoint: Sequence[str] | None
    env: Mapping[str, str]
    labels: Mapping[str, str]
    ports: Sequence[NewPort]
    user: str | None
    workdir: str | None
    hostname: str | None
    memory_bytes: int | None
    cpus: float | None
    pids_limit: int | None
    env_file: str
    label_file: str
    restart: str
    restart_limit: int | None
    start: bool


class HealthcheckBody(TypedDict, total=False):
    """What is left out comes from the image."""

    test: Sequence[str]
    interval_seconds: float | None
    timeout_seconds: float | None
    start_period_seconds: float | None
    start_interval_seconds: float | None
    retries: int | None


class NewPort(TypedDict, total=False):
    container: Required[int]
    host: int | None
    container_last: int | None
    host_last: int | None
    protocol: str
    address: str | None


class Commit(TypedDict, total=False):
    reference: Required[str]
    author: str
    comment: str
    changes: Sequence[str]
    pause: bool


class NewExec(TypedDict, total=False):
    command: Required[Sequence[str]]
    env: Mapping[str, str]
    user: str | None
    workdir: str | None
    privileged: bool
    tty: bool
    stdin: str | None
    detach: bool


class Kill(TypedDict, total=False):
    signal: str


class Leave(TypedDict, total=False):
    network: Required[str]


class Recreation(TypedDict, total=False):
    """As of a creation, on this container's host; `name` and `start`, with `keep` all, are its own if left out."""

    cap_add: Sequence[str]
    cap_drop: Sequence[str]
    privileged: bool
    read_only: bool
    security_opt: Sequence[str]
    userns: str
    runtime: str
    init: bool
    tty: bool
    stdin_open: bool
    stdin_once: bool
    devices: Sequence[str]
    device_cgroup_rules: Sequence[str]
    group_add: Sequence[str]
    sysctls: Mapping[str, str]
    ulimits: Sequence[str]
    tmpfs: Sequence[str]
    volumes: Sequence[str]
    mounts: Sequence[str]
    volumes_from: Sequence[str]
    volume_driver: str | None
    shm_size: int | None
    stop_signal: str | None
    stop_timeout: int | None
    auto_remove: bool
    domainname: str | None
    extra_hosts: Sequence[str]
    dns: Sequence[str]
    dns_search: Sequence[str]
    dns_options: Sequence[str]
    memory_reservation: int | None
    memory_swap: int | None
    oom_score_adj: int | None
    oom_kill_disable: bool
    cpu_shares: int | None
    cpu_quota: int | None
    cpu_period: int | None
    cpu_rt_runtime: int | None
    cpu_rt_period: int | None
    cpuset_cpus: str | None
    cpuset_mems: str | None
    blkio_weight: int | None
    device_read_bps: Sequence[str]
    device_write_bps: Sequence[str]
    device_read_iops: Sequence[str]
    device_write_iops: Sequence[str]
    healthcheck: HealthcheckBody | None
    restart_unhealthy: bool
    network: str
    networks: Sequence[str]
    network_alias: Sequence[str]
    link: Sequence[str]
    ip: str | None
    ip6: str | None
    mac_address: str | None
    pid: str
    ipc: str
    uts: str
    cgroupns: str
    expose: Sequence[str]
    publish_all: bool
    publish_address: str | None
    pull: str
    platform: str | None
    annotations: Mapping[str, str]
    memory_swappiness: int | None
    blkio_weight_device: Sequence[str]
    log_driver: str
    log_opt: Mapping[str, str]
    storage_opt: Mapping[str, str]
    depends_on: Sequence[str]
    name: str | None
    image: str
    command: Sequence[str]
    entrypoint: Sequence[str] | None
    env: Mapping[str, str | None]
    labels: Mapping[str, str | None]
    ports: Sequence[NewPort]
    user: str | None
    workdir: str | None
    hostname: str | None
    memory_bytes: int | None
    cpus: float | None
    pids_limit: int | None
    env_file: str
    label_file: str
    restart: str
    restart_limit: int | None
    start: bool
    keep: bool
    renew_volumes: bool


class Rename(TypedDict, total=False):
    name: Required[str]


class Restart(TypedDict, total=False):
    timeout_seconds: float | None


class Signal(TypedDict, total=False):
    host_pid: Required[int]
    started_at: Required[float]
    signal: str


class Stop(TypedDict, total=False):
    timeout_seconds: float | None
    signal: str | None


class Update(TypedDict, total=False):
    """What is left out stays as it is; null is no limit."""

    memory_bytes: int | None
    memory_swap: int | None
    memory_reservation: int | None
    cpus: float | None
    cpu_shares: int | None
    cpu_quota: int | None
    cpu_period: int | None
    cpu_rt_runtime: int | None
    cpu_rt_period: int | None
    cpuset_cpus: str | None
    cpuset_mems: str | None
    pids_limit: int | None
    blkio_weight: int | None
    device_read_bps: Sequence[str] | None
    device_write_bps: Sequence[str] | None
    device_read_iops: Sequence[str] | None
    device_write_iops: Sequence[str] | None
    restart: str
    restart_limit: int | None
    labels: Mapping[str, str]
    add_labels: Mapping[str, str]
    remove_labels: Sequence[str]
    ports: Sequence[NewPort]
    add_ports: Sequence[NewPort]
    remove_ports: Sequence[FormerPort]


class FormerPort(TypedDict, total=False):
    container: Required[int]
    host: int
    protocol: str
    address: str


class Prune(TypedDict, total=False):
    host: str | None
    until: int
    labels: Sequence[str]
    not_labels: Sequence[str]
    dry_run: bool
