"""What a step is known by, and what may know it besides this host's own cache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from engine.images.pull import Stop
from engine.oci.digest import Digest
from engine.oci.manifest import Descriptor
from engine.oci.reference import Reference
from engine.registry.access import Access

VERSION = 1
"""Of keys: what is made otherwise than before must not be found by what it was called then."""


@dataclass(frozen=True, slots=True)
class Found:
    """A step of a build that has its layer, made or from a cache. `created_at`: Unix time of its making."""

    key: str
    content: str
    diff_id: Digest
    size_bytes: int
    created_at: float


@dataclass(frozen=True, slots=True)
class FarStep:
    """A step's layer, and the blob in which a registry has it."""

    diff_id: Digest
    blob: Descriptor
    created_at: float


@dataclass(frozen=True, slots=True)
class CachePlace:
    """A cache at a registry: its name, how the registry is spoken to, and what ends that."""

    reference: Reference
    access: Access | None
    stop: Stop


class FarCache(Protocol):
    """A cache that is not on this host."""

    def has_key(self, key: str) -> bool:
        """Whether any content is known with this key."""

    def find(self, key: str, content: str) -> FarStep | None: ...

    def fetch(self, step: FarStep) -> int | None:
        """Bring the layer here; its bytes, None if the cache hasn't got it after all. Raises what a pull does."""
