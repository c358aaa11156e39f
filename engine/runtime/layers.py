"""What a container's files are made of, as its caller hands it to the runtime."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

Images = Mapping[str, Sequence[str]]
"""Of each image that is mounted, by its id: the directories of its layers, the top one first, an empty one last."""


class Overlay(Protocol):
    """The layers of a root file system, absolute paths, `lowerdirs` top first."""

    @property
    def lowerdirs(self) -> Sequence[str]: ...
    @property
    def upperdir(self) -> str: ...
    @property
    def workdir(self) -> str: ...
