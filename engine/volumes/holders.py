"""Who has volumes, as far as volumes must know: containers are a layer above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol


class Holders(Protocol):
    """The containers of this home; ids that it doesn't know are no error."""

    def names(self) -> Mapping[str, str]:
        """What they are called → their ids."""

    def running(self, container_ids: Sequence[str]) -> Sequence[str]:
        """Those of them that run, or are paused."""

    def writers(self, volume: str, container_ids: Sequence[str]) -> Sequence[str]:
        """Those of them that run and can write to the volume."""

    def still(self, container_ids: Sequence[str]) -> AbstractContextManager[None]:
        """None of them does anything meanwhile."""

    def stop(self, container_ids: Sequence[str]) -> None:
        """Stop them as a person would."""

    def start(self, container_ids: Sequence[str]) -> None:
        """Start them; one that can't be says so by itself."""
