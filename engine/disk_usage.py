"""What everything of one home takes on the disk, as `docker system df -v` wants to know it."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from engine.containers import states
from engine.containers.record import ContainerRecord
from engine.errors import NotFound
from engine.images.usage import ImagesUsage, ImageUsage
from engine.snapshots.service import Snapshots
from engine.trees import disk_bytes


@dataclass(frozen=True, slots=True)
class ContainerUsage:
    """`writable_bytes`: what it wrote over its image, on disk; `file_bytes`: how long these files are, holes and all;
    `log_bytes`: its log, compressed parts as they are."""

    id: str
    name: str
    image_id: str
    is_running: bool
    writable_bytes: int
    file_bytes: int
    log_bytes: int


@dataclass(frozen=True, slots=True)
class DiskUsage:
    """Bytes. The first four as in `ImagesUsage`; `logs_bytes` of all logs, `kept_logs_bytes` of those of removed
    containers; `build_cache_bytes` of layers that only the build cache keeps, and of cache mounts."""

    images: tuple[ImageUsage, ...]
    layers_bytes: int
    blobs_bytes: int
    ingests_bytes: int
    containers: tuple[ContainerUsage, ...]
    containers_bytes: int
    logs_bytes: int
    kept_logs_bytes: int
    volumes: tuple[()] = ()
    build_cache_bytes: int = 0


def measure(
    images: ImagesUsage,
    records: Iterable[ContainerRecord],
    snapshots: Snapshots,
    containers: Path,
    kept_logs: Path,
    *,
    build_cache_bytes: int = 0,
) -> DiskUsage:
    """Look at the files of every container; what vanishes meanwhile counts as nothing."""
    found = []
    users: Counter[str] = Counter()
    for record in records:
        with contextlib.suppress(NotFound):
            is_running = record.status in states.ALIVE
            own, log = snapshots.usage(record.id), disk_bytes(containers / record.id / "log")
            found.append(ContainerUsage(record.id, record.name, record.image_id, is_running, own.disk, own.files, log))
            users.update(image_id for image_id, _ in record.images)
    kept = disk_bytes(kept_logs)
    return DiskUsage(
        tuple(replace(image, containers=users[image.id]) for image in images.images),
        images.layers_bytes,
        images.blobs_bytes,
        images.ingests_bytes,
        tuple(found),
        sum(container.writable_bytes for container in found),
        sum(container.log_bytes for container in found) + kept,
        kept,
        build_cache_bytes=build_cache_bytes,
    )
