"""Which images a policy lets run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What is empty wants nothing of an image.

    `signed_by`: public keys (PEM) by the names that people know them by, one of which has to have signed it.
    `allowed_images`: repositories (`repository_matches`), one of which it has to have been pulled from or pushed to.
    `accesses`: how registries that may have signatures are spoken to, `engine.registry.access.Access` by their names.
    """

    signed_by: Mapping[str, str] = field(default_factory=dict)
    allowed_images: Sequence[str] = ()
    accesses: Mapping[str, Any] = field(default_factory=dict)
