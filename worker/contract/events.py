"""Events: what a host says has happened. Past tense; an event never fails its sender.

An event with a `seq` comes from the host's journal: numbers rise by one, the site applies each once, and
after any gap the journal is replayed from the last number that the site acknowledged. An event without one
is transient (progress, heartbeat): it may be lost, and the next one says all that it said.

A container's or an image's event always carries the whole observed state, so that the last one suffices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from worker.contract.wire import from_wire

# A host's own; attributes: HostFacts. `registered` opens a session of the worker (`session` is new each time).
HOST_REGISTERED = "host.registered"
HOST_HEARTBEAT = "host.heartbeat"
HOST_STOPPED = "host.stopped"
# The whole truth: attributes {"containers": [ContainerState…], "images": [ImageState…],
# "volumes": [VolumeState…], "networks": [NetworkState…]}; numbered.
HOST_INVENTORY = "host.inventory"
# Transient answer to a replay that can't be had in full: {"first_seq"}; what came before was forgotten, and an
# inventory that follows makes up for it.
HOST_JOURNAL_TRIMMED = "host.journal_trimmed"

# Jobs; subject is the job's id. started {"fence"}, progress: Progress (transient),
# finished {"status": succeeded|failed|cancelled, "result": {...}, "error": ErrorInfo|None, "fence"}
JOB_STARTED = "job.started"
JOB_PROGRESS = "job.progress"
JOB_FINISHED = "job.finished"

# Images; subject is the image's id; attributes: ImageState (removed: {}).
IMAGE_UPDATED = "image.updated"
IMAGE_REMOVED = "image.removed"

# Volumes; subject is the volume's name; attributes: VolumeState (removed: Labelled). `measured` tells of another size,
# `updated` of another limit; `renamed` has "old_name" on top.
VOLUME_CREATED = "volume.created"
VOLUME_MEASURED = "volume.measured"
VOLUME_UPDATED = "volume.updated"
VOLUME_RENAMED = "volume.renamed"
VOLUME_REMOVED = "volume.removed"

# Networks of a name; subject is the network's id; attributes: NetworkState (removed: Labelled).
NETWORK_CREATED = "network.created"
NETWORK_REMOVED = "network.removed"

# Containers; subject is the container's id; attributes: ContainerState (removed: Labelled, as far as it is known,
# and "log_kept", whether its log still is on the host),
# with "leaving" on top for died, if the removal is told next, "old_name" for renamed, "signal" (a number) for killed,
# and "changed" (names of fields) for updated.
CONTAINER_CREATED = "container.created"
CONTAINER_STARTED = "container.started"
# The kernel killed something in it for want of memory; what ends for it is told next.
CONTAINER_OOM = "container.oom"
CONTAINER_DIED = "container.died"
# A signal was sent to its first process.
CONTAINER_KILLED = "container.killed"
# A stop has reached its aim, a restart too; what died and started was told before.
CONTAINER_STOPPED = "container.stopped"
CONTAINER_RESTARTED = "container.restarted"
CONTAINER_PAUSED = "container.paused"
CONTAINER_UNPAUSED = "container.unpaused"
CONTAINER_RESTARTING = "container.restarting"
CONTAINER_UPDATED = "container.updated"
CONTAINER_RENAMED = "container.renamed"
# Its health check's status has changed.
CONTAINER_HEALTH = "container.health"
CONTAINER_REMOVED = "container.removed"
# Its state, and nothing that has happened: a start that was cut short was taken back.
CONTAINER_SETTLED = "container.settled"

# The log that was kept of a removed container is gone; subject is the container's id.
LOG_REMOVED = "log.removed"

# Execs; subject is the exec's id. created and started {"container", "command": [...], "user": …|None, "tty"}, died
# {"container", "exit_code"}, all with Labelled; news for those who watch, and no state.
EXEC_CREATED = "exec.created"
EXEC_STARTED = "exec.started"
EXEC_DIED = "exec.died"

# A health check has ended; subject is the container's id; attributes: {"run", "failing_streak"} and a HealthResult.
HEALTH_CHECKED = "health.checked"

# What was done and changes no state: {"action": Docker's name for it (attach, resize, export, pull, untag, connect, …),
# "type": container|image|network} and Labelled, with Docker's attributes on top; subject is the id of what it was done
# with (of a network its name).
ACTION_DONE = "action.done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """`at` is Unix time in seconds; `seq` None marks a transient event."""

    host_id: str
    kind: str
    subject: str
    at: float
    seq: int | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuntimeFacts:
    """An installed OCI runtime. `version` is what it says itself, `problem` why it can't be chosen, if it can't."""

    name: str
    version: str = ""
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    name: str
    session: str
    cores: int
    memory_bytes: int
    kernel: str
    architecture: str
    operating_system: str
    engine_version: str
    cgroup_version: str
    disk_total_bytes: int = 0
    disk_free_bytes: int = 0
    containers_running: int = 0
    # The journal's newest number: a site that has less for long missed something and asks for a replay.
    last_seq: int = 0
    # What a container's `runtime` can name besides "portside".
    runtimes: tuple[RuntimeFacts, ...] = ()
    # Why containers can't have user namespaces of their own; empty if they can, and until that is known.
    userns_problem: str = ""
    # The AppArmor profile that containers get unasked; empty for none, and then why, where the kernel has AppArmor.
    apparmor_profile: str = ""
    apparmor_problem: str = ""
    # Why no container can have real-time processor time (`cpu_rt_runtime`); empty where the kernel shares it out.
    cpu_rt_problem: str = ""
    # Why no container can be limited in what it swaps (`memory_swap`); empty where the kernel counts it.
    swap_problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPort:
    container: int
    host: int
    protocol: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Labelled:
    """What an event is found by when it carries no state: `type` is container, image, network or volume."""

    type: str
    name: str = ""
    image: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthResult:
    """One check: Unix seconds, the exit code (0: healthy, -1: it took too long), output up to 4096 bytes."""

    start: float
    end: float
    exit_code: int
    output: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthState:
    """`status` is starting, healthy, unhealthy, or none while it doesn't run; `log` the last five, the newest last."""

    status: str
    failing_streak: int = 0
    log: tuple[HealthResult, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MountState:
    """Something mounted into a container. `type` is volume, bind, tmpfs or image.

    `name` is a volume's, `source` on the host; of an image, `name` is what it was asked for by, and `source` its id.
    """

    type: str
    destination: str
    name: str = ""
    source: str = ""
    read_only: bool = False
    propagation: str = ""
    driver: str = ""
    subpath: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerState:
    """`status` is one of creating, created, running, paused, restarting, stopped; times are Unix seconds.

    `userns` is how the last run was: "auto" with users of its own, "host" without, "" before the first;
    `userns_problem` tells why it had to do without. `apparmor_profile` is what confined it, "unconfined" for nothing,
    empty where the kernel has no AppArmor. `networks` are its endpoints on networks of a name, each with
    network_id, network, ip, prefix, gateway, ip6, prefix6, gateway6 (None without IPv6), mac (None where it is the
    parent's), interface, aliases, and `asked`, the addresses that were wished for (ip, ip6), if any were.
    `networks_gone` are those that were removed while it didn't run (network_id, network, aliases): it doesn't start
    before it was disconnected from these. `on_default`: whether it is on the default network, None where its
    specification says so still. `health` is None for one without a health check.
    """

    id: str
    name: str
    image: str
    status: str
    image_id: str | None = None
    pid: int | None = None
    ip_address: str | None = None
    networks: tuple[Mapping[str, Any], ...] = ()
    networks_gone: tuple[Mapping[str, Any], ...] = ()
    on_default: bool | None = None
    ports: tuple[PublishedPort, ...] = ()
    exit_code: int | None = None
    oom_killed: bool = False
    error: str | None = None
    restart_count: int = 0
    created_at: float | None = None
    started_at: float | None = None
    finished_at: float | None = None
    userns: str = ""
    userns_problem: str = ""
    apparmor_profile: str = ""
    health: HealthState | None = None
    mounts: tuple[MountState, ...] = ()
    spec: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageState:
    """`id` is the config's digest; `size_bytes` what the unpacked layers take on disk."""

    id: str
    tags: tuple[str, ...] = ()
    digests: tuple[str, ...] = ()
    size_bytes: int = 0
    architecture: str = ""
    os: str = ""
    created_at: str | None = None
    layers: int = 0
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotState:
    """A volume's files as they were at `created_at` (Unix seconds)."""

    name: str
    created_at: float
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeState:
    """`is_anonymous`: made for a container that asked for none by name; times are Unix seconds.

    `size_bytes` on the disk and `files` are of `measured_at`, None before and of what lies elsewhere. `quota` is how
    `limit_bytes` holds: "kernel", which refuses what is beyond it, or "counted", which is looked at now and then;
    `is_over`: more was found than a counted limit allows.
    """

    name: str
    driver: str = "local"
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    is_anonymous: bool = False
    created_at: float | None = None
    mountpoint: str = ""
    size_bytes: int | None = None
    files: int | None = None
    measured_at: float | None = None
    limit_bytes: int | None = None
    quota: str = ""
    is_over: bool = False
    snapshots: tuple[SnapshotState, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkState:
    """As `networks.CreateNetwork` describes one, with the subnets, gateways and the mode that it got."""

    id: str
    name: str
    driver: str = "bridge"
    parent: str | None = None
    mode: str | None = None
    subnet: str | None = None
    gateway: str | None = None
    ip_range: str | None = None
    ipv6: bool = False
    subnet6: str | None = None
    gateway6: str | None = None
    ip_range6: str | None = None
    mtu: int | None = None
    internal: bool = False
    icc: bool = True
    labels: Mapping[str, str] = field(default_factory=dict)
    attachable: bool = False
    options: Mapping[str, str] = field(default_factory=dict)
    created_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressItem:
    """One line of progress, a layer of a pull for example. `status`: waiting, downloading, unpacking, done, exists."""

    id: str
    status: str
    done_bytes: int = 0
    total_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    phase: str = ""
    items: tuple[ProgressItem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorInfo:
    """An error on the wire: the family's name (`engine.errors`), a sentence for people, facts for programs."""

    family: str
    message: str
    detail: Mapping[str, Any] = field(default_factory=dict)


def encode_event(event: Event) -> dict[str, Any]:
    """What `json.dumps` takes; so must the attributes be, which come from the journal's JSON or from `to_wire`."""
    return {field.name: getattr(event, field.name) for field in fields(event)}


def decode_event(data: Mapping[str, Any]) -> Event:
    return from_wire(Event, data)
