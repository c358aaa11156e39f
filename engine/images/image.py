"""An image as callers see it."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from engine.oci.image_config import ImageConfig


def time_of(text: str | None) -> datetime.datetime | None:
    """RFC 3339 as builders write it, with up to nine decimals; None for anything else."""
    try:
        found = datetime.datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class Image:
    """`id` is the config's digest; `tags` and `digests` as people write them (`alpine:latest`, `alpine@sha256:…`).

    `size_bytes` is the sum of the unpacked layers' file data; `diff_ids` and `chain_ids` go from the lowest layer up.
    """

    id: str
    tags: tuple[str, ...]
    digests: tuple[str, ...]
    size_bytes: int
    config: ImageConfig

    @property
    def architecture(self) -> str:
        return self.config.architecture

    @property
    def os(self) -> str:
        return self.config.os

    @property
    def created_at(self) -> str | None:
        """RFC 3339, as the image says it."""
        return self.config.created_at

    @property
    def made_at(self) -> datetime.datetime | None:
        """`created_at` as a time, None if it is none."""
        return time_of(self.created_at)

    @property
    def diff_ids(self) -> tuple[str, ...]:
        return self.config.diff_ids

    @property
    def chain_ids(self) -> tuple[str, ...]:
        return self.config.chain_ids

    @property
    def chain_id(self) -> str:
        """What `Snapshots.prepare` wants: the whole stack's chain id, empty for an image without layers."""
        return self.config.chain_ids[-1] if self.config.diff_ids else ""

    def as_state(self) -> dict[str, Any]:
        """JSON-ready, in the shape of `worker.contract.events.ImageState`."""
        return {
            "id": self.id,
            "tags": list(self.tags),
            "digests": list(self.digests),
            "size_bytes": self.size_bytes,
            "architecture": self.architecture,
            "os": self.os,
            "created_at": self.created_at,
            "layers": len(self.diff_ids),
            "config": self.config.as_json(),
        }
