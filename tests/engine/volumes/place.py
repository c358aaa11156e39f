"""A home with volumes, and containers that are only said to be there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from engine.config import EngineConfig
from engine.store.database import Store
from engine.store.journal import Journal
from engine.volumes.service import Volumes

NAMES = {"web": "1" * 64}


class FakeHolders:
    """Containers that do nothing but run, if they are in `alive`; what is done with them is in `done`."""

    def __init__(self) -> None:
        self.alive: list[str] = []
        self.done: list[tuple[str, list[str]]] = []

    def names(self) -> dict[str, str]:
        return NAMES

    def running(self, container_ids: Sequence[str]) -> list[str]:
        return [one for one in container_ids if one in self.alive]

    def writers(self, volume: str, container_ids: Sequence[str]) -> list[str]:
        return self.running(container_ids)

    @contextlib.contextmanager
    def still(self, container_ids: Sequence[str]) -> Iterator[None]:
        self.done.append(("still", list(container_ids)))
        yield
        self.done.append(("on", list(container_ids)))

    def start(self, container_ids: Sequence[str]) -> None:
        if container_ids:
            self.done.append(("start", list(container_ids)))
            self.alive += container_ids

    def stop(self, container_ids: Sequence[str]) -> None:
        if container_ids:
            self.done.append(("stop", list(container_ids)))
        self.alive = [one for one in self.alive if one not in container_ids]


class Place:
    """A home with volumes and the journal of what became of them."""

    def __init__(self, home: Path) -> None:
        config = EngineConfig(home)
        store = Store(config.database)
        self.journal = Journal(store, config.run)
        self.store, self.root = store, config.volumes
        self.holders = FakeHolders()
        self.volumes = Volumes(config, store, self.journal, self.holders)

    def told(self) -> list[tuple[str, str]]:
        return [(entry.kind, entry.subject) for entry in self.journal.read(0)]

    def names(self) -> list[str]:
        return [volume.name for volume in self.volumes.list()]

    def on_disk(self) -> list[str]:
        return sorted(os.listdir(self.root))
