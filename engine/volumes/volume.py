"""One volume as the engine knows it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from engine.errors import InvalidArgument
from engine.options import mounts, volume_options
from engine.options.volume_options import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class VolumeSpec:
    """What a new one is to be. `name` empty: one is made up, and it is anonymous: nobody knows it by name."""

    name: str = ""
    driver: str = mounts.LOCAL
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)

    def check(self) -> None:
        """Raises InvalidArgument for the first field that can't be."""
        for name, sentence in volume_options.problems(self.name, self.driver, self.driver_opts, self.labels):
            raise InvalidArgument(f"{name}: {sentence}", {"field": name})


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """`is_anonymous`: it was made for a container that asked for none by name; `used_by`: ids of containers."""

    name: str
    driver: str
    driver_opts: Mapping[str, str]
    labels: Mapping[str, str]
    is_anonymous: bool
    created_at: float
    mountpoint: str
    used_by: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        return volume_options.read(self.driver_opts)

    def as_state(self) -> dict[str, Any]:
        """The observed state in the shape of the contract's VolumeState."""
        return {
            "name": self.name,
            "driver": self.driver,
            "driver_opts": dict(self.driver_opts),
            "labels": dict(self.labels),
            "is_anonymous": self.is_anonymous,
            "created_at": self.created_at,
            "mountpoint": self.mountpoint,
        }


def new_name() -> str:
    """64 hex digits, as Docker calls anonymous ones."""
    return secrets.token_hex(32)
