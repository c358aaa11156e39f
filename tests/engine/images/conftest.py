"""A host's images on a throwaway home, and small images of known content."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.config import EngineConfig
from engine.content.blobs import ContentStore
from engine.images.service import Images
from engine.snapshots.service import Snapshots
from engine.store.database import Store
from engine.store.journal import Journal
from tests.support.oci_layout import Layer, Layout, tar_of
from tests.support.registry import Registry


@dataclass
class Host:
    config: EngineConfig
    store: Store
    journal: Journal
    images: Images

    @property
    def content(self) -> ContentStore:
        return ContentStore(self.config.content)

    @property
    def snapshots(self) -> Snapshots:
        return Snapshots(self.config, self.store)

    def tree(self, chain_id: str) -> list[Path]:
        """The layers' directories, the top one first."""
        overlay = self.snapshots.prepare("look", chain_id)
        self.snapshots.remove("look")
        return [Path(path) for path in overlay.lowerdirs]

    def leftovers(self) -> dict[str, list[str]]:
        """What is on disk beyond the frame of an empty home."""
        return {
            "layers": sorted(p.name for p in self.config.snapshots.iterdir() if p.name not in ("staging", "empty")),
            "staging": sorted(p.name for p in (self.config.snapshots / "staging").iterdir()),
            "blobs": sorted(p.name for p in (self.config.content / "blobs/sha256").iterdir()),
            "ingests": sorted(p.name for p in (self.config.content / "ingest").iterdir()),
            "locks": sorted(p.name for p in (self.config.content / "locks").iterdir()),
        }

    @property
    def is_empty(self) -> bool:
        return not any(self.leftovers().values()) and not self.images.list()


def open_host(home: Path, **settings: Any) -> Host:
    config = EngineConfig(home=home, **settings)
    store = Store(config.database)
    journal = Journal(store, config.run)
    return Host(config, store, journal, Images(config, store, journal))


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return open_host(tmp_path / "home")


@pytest.fixture
def push(registry: Registry, tmp_path: Path) -> Callable[..., str]:
    """Push an image of the given layers (name → content, or a tar) to the open registry; gives its reference."""
    count = 0

    def pushed(*layers: dict[str, bytes | None] | bytes, name: str = "made:latest", **options: object) -> str:
        nonlocal count
        count += 1
        layout = Layout(tmp_path / f"layout-{count}")
        made: list[Layer] = [layout.layer(layer if isinstance(layer, bytes) else tar_of(layer)) for layer in layers]
        layout.image(made, **options)  # type: ignore[arg-type]
        return registry.push(layout.directory, name)

    return pushed
