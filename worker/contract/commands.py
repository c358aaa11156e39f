"""Commands: what the site asks of a host. Imperative; each belongs to one job and may fail loudly.

On the wire a command is `{"kind": "container.start", "container_id": "…"}`. A command is idempotent: ids
are chosen by the site, so doing it twice ends where doing it once does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from worker.contract import builds, networks, volumes
from worker.contract.options import ContainerOptions, PortMapping
from worker.contract.wire import ContractError, from_wire, to_wire


@dataclass(frozen=True, slots=True, kw_only=True)
class PullImage:
    reference: str
    platform: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveImage:
    """`image` is a reference (untags, and removes with the last tag) or an image id (removes all tags)."""

    image: str
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PushImage:
    """Send what is called `reference` to the registry of that name, once `image`, if given, has been called so.

    `all_platforms`: of an index, all that it names.
    """

    reference: str
    image: str | None = None
    all_platforms: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TagImage:
    """Give the image (an id or a reference) one more name, taking it from another image that has it."""

    image: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneImages:
    """Remove images that no container uses: those without a tag, with `all` those with tags as well.

    Only those made before `until` (Unix seconds), with all of `labels` (KEY or KEY=VALUE), not with all of
    `not_labels`.
    """

    all: bool = False
    until: float | None = None
    labels: tuple[str, ...] = ()
    not_labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyImages:
    """Compare every blob with its digest and see that every layer is there; `repair` fetches again what is not."""

    repair: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LookUpImages:
    """Ask a registry which digests `references`, all of them its own, have there now; nothing is pulled."""

    references: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TryRegistry:
    """See whether a registry (docker.io, registry.example.com:5000) answers and takes the credentials."""

    registry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadImages:
    """Take the archive of images that a session of this job brings: see `sessions.JOB`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportImage:
    """The same with the tar of a root file system, which becomes the image `reference`."""

    reference: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateStarterImage:
    """Make an image from the machine's own files, for first contact without a registry."""

    reference: str = "portside/starter:latest"


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateContainer(ContainerOptions):
    """Create (and with `start` also start) a container; a missing image is pulled first.

    `container_id` is 64 hex digits, `memory_bytes` a hard limit, `cpus` cores, `restart` one of
    no, on-failure, always, unless-stopped. Empty `command` or `entrypoint` None means the image's own. `bind_roots`:
    directories of the host, in one of which each bind's source has to lie, without links; any, if there are none.
    `signed_by`: public keys (PEM) by name, one of which has to have signed the image. `allowed_images`: repositories or
    patterns as docker.io/library/*, one of which it has to have come from or gone to. The site says so, by the team's
    policy, and never who asks.
    """

    container_id: str
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
    start: bool = True
    bind_roots: tuple[str, ...] = ()
    signed_by: Mapping[str, str] = field(default_factory=dict)
    allowed_images: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RecreateContainer(CreateContainer):
    """The same in the place of the container `replaces`, which goes; if that fails, it is again as it was.

    It goes on with that one's volumes without a name, or begins with new ones (`renew_volumes`).
    """

    replaces: str
    renew_volumes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StartContainer:
    """`signed_by` as of `CreateContainer`: what the policy says now, to which the host's own restarts are held, too."""

    container_id: str
    signed_by: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class StopContainer:
    """Send `signal` (default: the image's stop signal), then SIGKILL after `timeout_seconds` (default 10)."""

    container_id: str
    timeout_seconds: float | None = None
    signal: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KillContainer:
    container_id: str
    signal: str = "SIGKILL"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalProcess:
    """Send `signal` to one process of a container: its pid on the host and when it started, as `top` tells them."""

    container_id: str
    host_pid: int
    started_at: float
    signal: str = "SIGTERM"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestartContainer:
    """`signed_by` as of `StartContainer`."""

    container_id: str
    timeout_seconds: float | None = None
    signed_by: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PauseContainer:
    container_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpauseContainer:
    container_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateContainer:
    """`changes`: fields of CreateContainer that limit or restart, with their new values; None is no limit.

    Also `labels` and `ports`, which replace all that there are, and what changes them in part: `add_labels`,
    `remove_labels` (names), `add_ports`, `remove_ports` (objects that name at least `container`).
    """

    container_id: str
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameContainer:
    container_id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitContainer:
    """Make the image `reference` of a container. `changes` are instructions of a Dockerfile that change its
    configuration; `pause` lets a running one stand still meanwhile. `created_at` (RFC 3339) is the image's, so that a
    second attempt finds what the first has made.
    """

    container_id: str
    reference: str
    created_at: str
    author: str = ""
    comment: str = ""
    changes: tuple[str, ...] = ()
    pause: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveContainer:
    """With `volumes` those without a name go with it, unless another container has them.

    One that runs is killed before with `force`, and with `stop` stopped: `timeout_seconds` as for `StopContainer`.
    """

    container_id: str
    force: bool = False
    volumes: bool = False
    stop: bool = False
    timeout_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateVolume:
    """Make a volume; the same again is no error. `driver_opts`: type, device and o, as Docker's local driver.

    `is_anonymous`: nobody knows it by its name, which was made up.
    """

    name: str
    driver: str = "local"
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    is_anonymous: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveVolume:
    """Delete a volume that no container has, with all that is in it."""

    name: str
    force: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneVolumes:
    """Delete volumes that no container has: those without a name, with `all` the others too.

    Only those with all of `labels` (KEY or KEY=VALUE), not with all of `not_labels`.
    """

    all: bool = False
    labels: tuple[str, ...] = ()
    not_labels: tuple[str, ...] = ()


Command = (
    PullImage
    | RemoveImage
    | PushImage
    | TagImage
    | PruneImages
    | VerifyImages
    | LookUpImages
    | TryRegistry
    | LoadImages
    | ImportImage
    | CreateStarterImage
    | CreateContainer
    | RecreateContainer
    | StartContainer
    | StopContainer
    | KillContainer
    | SignalProcess
    | RestartContainer
    | PauseContainer
    | UnpauseContainer
    | UpdateContainer
    | RenameContainer
    | CommitContainer
    | RemoveContainer
    | CreateVolume
    | RemoveVolume
    | PruneVolumes
    | builds.BuildCommand
    | networks.NetworkCommand
    | volumes.VolumeCommand
)

KINDS: dict[str, type[Any]] = {
    "image.pull": PullImage,
    "image.remove": RemoveImage,
    "image.push": PushImage,
    "image.tag": TagImage,
    "image.prune": PruneImages,
    "image.fsck": VerifyImages,
    "image.lookup": LookUpImages,
    "registry.try": TryRegistry,
    "image.load": LoadImages,
    "image.import": ImportImage,
    "image.starter": CreateStarterImage,
    "container.create": CreateContainer,
    "container.recreate": RecreateContainer,
    "container.start": StartContainer,
    "container.stop": StopContainer,
    "container.kill": KillContainer,
    "container.signal": SignalProcess,
    "container.restart": RestartContainer,
    "container.pause": PauseContainer,
    "container.unpause": UnpauseContainer,
    "container.update": UpdateContainer,
    "container.rename": RenameContainer,
    "container.commit": CommitContainer,
    "container.remove": RemoveContainer,
    "volume.create": CreateVolume,
    "volume.remove": RemoveVolume,
    "volume.prune": PruneVolumes,
    **builds.KINDS,
    **networks.KINDS,
    **volumes.KINDS,
}
_NAMES = {cls: kind for kind, cls in KINDS.items()}


def kind_of(command: Command) -> str:
    """The command's name on the wire, which is also its job's kind."""
    return _NAMES[type(command)]


def encode_command(command: Command) -> dict[str, Any]:
    """Command to JSON object, `kind` included."""
    return {"kind": kind_of(command), **to_wire(command)}


def decode_command(data: Mapping[str, Any]) -> Command:
    """JSON object to command. Raises `ContractError` for an unknown kind or a field that does not fit."""
    kind = data.get("kind")
    if kind not in KINDS:
        raise ContractError(f"unknown command {kind!r}: is this worker older than the site?")
    command: Command = from_wire(KINDS[kind], data)
    return command
