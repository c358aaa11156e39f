"""The image config: what runs, as whom, with which layers (image-spec, config.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import Unsupported
from engine.oci.digest import Digest, InvalidDigest, chain_ids
from engine.oci.document import (
    MAX_CONFIG_BYTES,
    InvalidDocument,
    load,
    optional,
    required,
    string_map,
    strings,
)
from engine.oci.platform import Platform

_WHAT = "image config"


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """`env` is `NAME=value` in the image's order; `exposed_ports` as `80/tcp`; `diff_ids` lowest layer first.

    `healthcheck` is in the words of `engine.options.healthcheck`; `shell` runs its line (Docker's additions).
    """

    architecture: str
    os: str
    diff_ids: tuple[Digest, ...]
    variant: str = ""
    created_at: str | None = None
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    user: str = ""
    working_dir: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    exposed_ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    stop_signal: str = ""
    healthcheck: Mapping[str, Any] | None = None
    shell: tuple[str, ...] = ()

    @classmethod
    def parse(cls, data: bytes) -> ImageConfig:
        """Read the JSON document. Raises `InvalidDocument` or `Unsupported`."""
        document = load(data, _WHAT, MAX_CONFIG_BYTES)
        config = optional(document, "config", dict, {}, _WHAT)
        rootfs = required(document, "rootfs", dict, _WHAT)
        if optional(rootfs, "type", str, "layers", _WHAT) != "layers":
            raise Unsupported(f"root file systems of type {str(rootfs['type'])[:40]!r} are not known")
        env = strings(config, "Env", _WHAT)
        if any("\0" in text for text in (*env, *strings(config, "Cmd", _WHAT), *strings(config, "Entrypoint", _WHAT))):
            raise InvalidDocument("the image config holds a NUL byte in its command or environment")
        return cls(
            architecture=optional(document, "architecture", str, "", _WHAT),
            os=optional(document, "os", str, "", _WHAT),
            diff_ids=_diff_ids(rootfs),
            variant=optional(document, "variant", str, "", _WHAT),
            created_at=optional(document, "created", str, "", _WHAT) or None,
            entrypoint=_command(config, "Entrypoint"),
            cmd=_command(config, "Cmd"),
            env=env,
            user=optional(config, "User", str, "", _WHAT),
            working_dir=optional(config, "WorkingDir", str, "", _WHAT),
            labels=string_map(config, "Labels", _WHAT),
            exposed_ports=tuple(sorted(optional(config, "ExposedPorts", dict, {}, _WHAT))),
            volumes=tuple(sorted(optional(config, "Volumes", dict, {}, _WHAT))),
            stop_signal=optional(config, "StopSignal", str, "", _WHAT),
            healthcheck=_healthcheck(config),
            shell=strings(config, "Shell", _WHAT),
        )

    @property
    def platform(self) -> Platform:
        return Platform(self.os, self.architecture, self.variant)

    @property
    def chain_ids(self) -> tuple[Digest, ...]:
        return chain_ids(self.diff_ids)

    def as_json(self) -> dict[str, Any]:
        """What runs, in our own lower-case words, for people and events; layers are left out."""
        return {
            "entrypoint": list(self.entrypoint),
            "cmd": list(self.cmd),
            "env": list(self.env),
            "user": self.user,
            "working_dir": self.working_dir,
            "labels": dict(self.labels),
            "exposed_ports": list(self.exposed_ports),
            "volumes": list(self.volumes),
            "stop_signal": self.stop_signal,
            "healthcheck": None if self.healthcheck is None else dict(self.healthcheck),
        }


def _diff_ids(rootfs: dict[str, Any]) -> tuple[Digest, ...]:
    try:
        return tuple(Digest.parse(text) for text in strings(rootfs, "diff_ids", _WHAT))
    except InvalidDigest as error:
        raise InvalidDocument(f"the image config's diff_ids are wrong: {error.message}") from error


def _command(config: dict[str, Any], key: str) -> tuple[str, ...]:
    # Very old images have a plain string where the specification wants a list; Docker reads it as one word.
    value = config.get(key)
    return (value,) if isinstance(value, str) and value else strings(config, key, _WHAT)


_NANOSECONDS = {
    "Interval": "interval_seconds",
    "Timeout": "timeout_seconds",
    "StartPeriod": "start_period_seconds",
    "StartInterval": "start_interval_seconds",
}


def _healthcheck(config: dict[str, Any]) -> dict[str, Any] | None:
    """Docker's HealthConfig, whose times are nanoseconds; 0 is what was left out."""
    found = optional(config, "Healthcheck", dict, {}, _WHAT)
    if not found:
        return None
    read: dict[str, Any] = {"test": list(strings(found, "Test", _WHAT))}
    for theirs, ours in _NANOSECONDS.items():
        read[ours] = max(0, optional(found, theirs, int, 0, _WHAT)) / 1e9
    read["retries"] = max(0, optional(found, "Retries", int, 0, _WHAT))
    return read
