"""The host's memory of one container: `container.json`, replaced atomically.

`desired` is what was last asked for; `status` is what was last seen. The two are never mixed up: a container
that died stays desired running until a person stops it, and that is what restart policies go by.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any

from engine.containers import states
from engine.containers.health import Health
from engine.containers.mounting import MountPoint, images
from engine.containers.spec import ContainerSpec
from engine.errors import DataCorrupt
from engine.options import modes
from engine.options.healthcheck import Healthcheck

FILE = "container.json"
MADE_AHEAD = (f".{FILE}.new", f".{FILE}.next")
"""Where the next record is written, before it is renamed. A directory that was made ahead has both, empty: a new inode
may take ext4 a fifth of a millisecond, as it gives out none that was freed in the last minutes, and looks at each."""

Version = tuple[int, int]
"""A file's number and time of change: another writer makes another."""

_REPLACED_BY_START = (
    "status",
    "desired",
    "exit_code",
    "oom_killed",
    "error",
    "started_at",
    "finished_at",
    "restart_at",
    "restart_count",
    "restart_delay_seconds",
    "asked_by",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPort:
    container: int
    host: int
    protocol: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ContainerRecord:
    """Times are Unix seconds. `run` counts starts; `stopping` is the run that a person asked to end.

    `exit_code` and `error` tell of the last run (or the last attempt to start one). `restart_at` is set while
    a restart policy waits, `restart_delay_seconds` is its last wait.

    `userns` and `userns_problem` tell of the last run whether it had users of its own ("auto" or "host"), and why not;
    `apparmor_profile`, what confined it ("unconfined": nothing; empty where the kernel has no AppArmor).

    `healthcheck` is what request and image make together; `health`, what it has found, is no part of the file, but
    of one beside it, and None without a check. `unhealthy` is the run that is ended for it.

    `networks`: its endpoints on networks of a name (`engine.network.lans.Member.as_state`), whether it runs or not.

    `networks_gone`: network_id, network (its name) and aliases of each that it was on when that was removed. It doesn't
    start before it was disconnected from these, or joined others of their names (`joining.rejoin`).

    `on_default`: whether it is on the default network, once that is another answer than its specification's.

    `exposed`: the ports ("80/tcp") that a start publishes beside those it was asked for by name (publish_all).

    `ending`: what asked for the end of the run `stopping`: `states.STOP` and those with it.

    `changes` numbers the record's changes; `untold` is what the journal has to know of the last one (`events`).

    `asked_by` names the request that started it last (the caller's own name for it, perhaps none): one that comes
    again is not obeyed again.

    `mounts`: what is mounted into it, as its creation made it of request, image and other containers.

    `signed_by`: public keys by their names, one of which has to have signed the image at each start; none: any will do.
    Who started it last has said so, and what the host starts again by itself is held to it.

    `awaits`: it is restarting after a boot of the host, once those run that it depends on.

    A start writes the record as running just before the program does: `before` is what it replaces, so that a
    start which is cut short there can be taken back.
    """

    spec: ContainerSpec
    image_id: str
    created_at: float
    stop_signal: str = "SIGTERM"
    desired: str = states.STOPPED
    status: str = states.CREATED
    run: int = 0
    stopping: int | None = None
    pid: int | None = None
    ip_address: str | None = None
    networks: tuple[Mapping[str, Any], ...] = ()
    networks_gone: tuple[Mapping[str, Any], ...] = ()
    on_default: bool | None = None
    ports: tuple[PublishedPort, ...] = ()
    exit_code: int | None = None
    oom_killed: bool = False
    error: str | None = None
    started_at: float | None = None
    finished_at: float | None = None
    restart_count: int = 0
    restart_delay_seconds: float = 0.0
    restart_at: float | None = None
    userns: str = ""
    userns_problem: str = ""
    apparmor_profile: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    healthcheck: Mapping[str, Any] | None = None
    health: Health | None = None
    unhealthy: int | None = None
    awaits: bool = False
    exposed: tuple[str, ...] = ()
    ending: str = ""
    changes: int = 0
    untold: tuple[tuple[str, str, Mapping[str, Any]], ...] = ()
    asked_by: str = ""
    mounts: tuple[MountPoint, ...] = ()
    signed_by: Mapping[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.spec.id

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def is_on_default(self) -> bool:
        """Whether it is on the default network: made on it, or joined it since, and has not left it."""
        return modes.is_on_bridge(self.spec) if self.on_default is None else self.on_default

    @property
    def images(self) -> list[tuple[str, str]]:
        """(id, name) of the image that it is made of, and of each that it has mounted."""
        mounted = [image for image in images(self.mounts) if image[0] != self.image_id]
        return [(self.image_id, self.spec.image), *mounted]

    @property
    def check(self) -> Healthcheck | None:
        return None if self.healthcheck is None else Healthcheck.from_dict(self.healthcheck)

    def with_changes(self, **changes: Any) -> ContainerRecord:
        """A copy with some fields changed."""
        return ContainerRecord(**{**dict(zip(_FIELDS, _of_all(self), strict=True)), **changes})

    def for_take_back(self) -> dict[str, Any]:
        """The values that a start replaces. Ports are left out: what doesn't run publishes none."""
        return {name: getattr(self, name) for name in _REPLACED_BY_START}

    def as_state(self) -> dict[str, Any]:
        """The observed state in the shape of the contract's ContainerState."""
        return {
            "id": self.id,
            "name": self.name,
            "image": self.spec.image,
            "status": self.status,
            "image_id": self.image_id,
            "pid": self.pid,
            "ip_address": self.ip_address,
            "networks": [dict(network) for network in self.networks],
            "networks_gone": [dict(network) for network in self.networks_gone],
            "on_default": self.on_default,
            "ports": [asdict(port) for port in self.ports],
            "exit_code": self.exit_code,
            "oom_killed": self.oom_killed,
            "error": self.error,
            "restart_count": self.restart_count,
            "created_at": self.created_at,
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "userns": self.userns,
            "userns_problem": self.userns_problem,
            "apparmor_profile": self.apparmor_profile,
            "health": None if self.health is None else self.health.as_state(is_alive=self.status in states.ALIVE),
            "mounts": [point.as_state() for point in self.mounts],
            "spec": self.spec.as_dict(),
        }

    def as_json(self) -> bytes:
        data = dict(zip(_NAMES, _values(self), strict=True))
        data["spec"] = self.spec.as_dict()
        data["ports"] = [asdict(port) for port in self.ports]
        data["mounts"] = [point.as_dict() for point in self.mounts]
        data["before"] = dict(self.before)
        data["signed_by"] = dict(self.signed_by)
        return json.dumps(data, separators=(",", ":")).encode()

    @classmethod
    def from_json(cls, raw: bytes) -> ContainerRecord:
        """Read `as_json` back. Raises ValueError, KeyError or TypeError when it is something else."""
        data = json.loads(raw)
        known = {name: data[name] for name in cls.__dataclass_fields__ if name in data}
        known["spec"] = ContainerSpec.from_dict(known["spec"])
        known["ports"] = tuple(PublishedPort(**port) for port in known.get("ports", ()))
        known["mounts"] = tuple(MountPoint.from_dict(point) for point in known.get("mounts", ()))
        known["networks"] = tuple(known.get("networks", ()))
        known["networks_gone"] = tuple(known.get("networks_gone", ()))
        known["exposed"] = tuple(known.get("exposed", ()))
        known["untold"] = tuple((kind, subject, news) for kind, subject, news in known.get("untold", ()))
        return cls(**known)


_FIELDS = tuple(ContainerRecord.__dataclass_fields__)
_of_all = attrgetter(*_FIELDS)  # dataclasses.replace takes three times as long for as many
_NAMES = tuple(name for name in _FIELDS if name != "health")
_values = attrgetter(*_NAMES)


def save(directory: Path, record: ContainerRecord) -> Version:
    """Replace the record in `directory`; the version that it is from now on. The caller holds its lock.

    A rename is atomic against any death of ours. Nobody waits for the disk here: `durability` does, for all at once.
    """
    temporary, descriptor = _opened(directory)
    try:
        if os.fstat(descriptor).st_size:  # whoever wrote it was killed
            os.ftruncate(descriptor, 0)
        content = record.as_json()
        while content:  # a disk that is nearly full takes a part; what is renamed below must be whole
            content = content[os.write(descriptor, content) :]
        # The kernel's own times move in steps of milliseconds, and readers tell versions apart by them.
        now = time.time_ns()
        os.utime(descriptor, ns=(now, now))
        number = os.fstat(descriptor).st_ino
    finally:
        os.close(descriptor)
    os.rename(temporary, f"{directory}/{FILE}")
    return number, now


def _opened(directory: Path) -> tuple[str, int]:
    """A file that is to become the record, and its descriptor: one that was made ahead, else a new one."""
    for name in MADE_AHEAD:
        path = f"{directory}/{name}"
        with contextlib.suppress(FileNotFoundError):
            return path, os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    path = f"{directory}/{MADE_AHEAD[0]}"
    return path, os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)


def version(directory: str | Path) -> Version:
    """That of the record in `directory`. Raises FileNotFoundError."""
    found = os.stat(f"{directory}/{FILE}")
    return found.st_ino, found.st_mtime_ns


def load(directory: Path) -> ContainerRecord | None:
    """The record in `directory`, None when there is none. Raises `DataCorrupt` when it can't be read."""
    try:
        raw = (directory / FILE).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        return ContainerRecord.from_json(raw)
    except (ValueError, KeyError, TypeError) as error:
        raise DataCorrupt(f"{directory / FILE} can't be read ({error}); remove the container with force") from error
