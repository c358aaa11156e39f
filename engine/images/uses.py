"""Who needs an image: what the layer of containers tells this one. Without imports, for the keeper's hands load it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Use:
    """A container of an image, or with it mounted: its name, and whether it has a process or waits for its restart."""

    container: str
    is_running: bool


Uses = Callable[[str], Sequence[Use]]
"""The containers of an image id."""
