"""Create: everything a container needs to start, or nothing at all.

The directory is built under `.creating-<id>`; one transaction takes the name, prepares the snapshot, renames the
directory and notes the event. Until it commits nobody can see the container, and what
a crash leaves is recognised by its name.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from engine.containers import (
    bundle,
    changes,
    choosing,
    dependencies,
    events,
    joining,
    limits,
    mounting,
    process,
    removal,
    sharing,
)
from engine.containers import record as records
from engine.containers.catalog import CREATING, REMOVED
from engine.containers.health import Health
from engine.containers.parts import Image, Parts, Progress
from engine.containers.record import ContainerRecord
from engine.containers.spec import ContainerSpec, validate
from engine.containers.undo import Undo
from engine.errors import AlreadyExists, Conflict, InvalidArgument, NotFound
from engine.oci import signals
from engine.options import healthcheck, ports, storage_options
from engine.options.admission import Admission
from engine.options.healthcheck import Healthcheck
from engine.runtime.foreign import service as foreign


def create(
    parts: Parts,
    spec: ContainerSpec,
    *,
    access: Any = None,
    admission: Admission | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> ContainerRecord:
    """Create the container, pulling a missing image first, and return its record.

    Creating the same id with the same spec again returns what is there. Images that it mounts are had and looked at as
    its own is. Raises `InvalidArgument`, `AlreadyExists` (name, or id with another spec), `PermissionDenied` for an
    image that `admission` does not let run, and whatever a pull raises.
    """
    validate(spec)
    spec = sharing.resolved(parts, spec)
    existing = _existing(parts, spec)
    if existing is not None:
        return existing
    return make(parts, ready(parts, spec, access=access, admission=admission, progress=progress, cancel=cancel))


class Ready(NamedTuple):
    """All that is needed to make a container, of which nothing is there yet."""

    record: ContainerRecord
    plan: process.ProcessPlan
    images: _Images
    nameless: Mapping[str, str] = MappingProxyType({})
    """As of `mounting.prepare`."""


def ready(
    parts: Parts,
    spec: ContainerSpec,
    *,
    access: Any = None,
    admission: Admission | None = None,
    progress: Progress | None = None,
    cancel: threading.Event | None = None,
) -> Ready:
    """Look at a request whose names are `sharing.resolved`, and have its images; its own name isn't looked at."""
    dependencies.refuse_circle(parts, spec)
    parts.runtime.require(spec.runtime, terminal=spec.tty)
    limits.resources(spec).check()  # what this host hasn't, before an image is pulled
    sharing.require_networks(parts, spec)
    if storage_options.read(spec.storage_opt) is not None:
        parts.snapshots.require_limits()
    image = choosing.image(parts, spec, access=access, progress=progress, cancel=cancel)
    choosing.admit(parts, spec, image, admission, access=access, cancel=cancel)
    shown = choosing.mounted(parts, spec, admission, access=access, progress=progress, cancel=cancel)
    plan = process.plan(spec, image.config, sharing.hostname(parts, spec))
    try:
        signals.parse(plan.stop_signal)
    except InvalidArgument as error:
        if spec.stop_signal is not None:
            raise InvalidArgument(f"stop_signal: {error.message}", {"field": "stop_signal"}) from error
        raise InvalidArgument(
            f"image {spec.image} asks for stop signal {plan.stop_signal!r}, which isn't one"
        ) from error
    check = _healthcheck(spec, image)
    record = ContainerRecord(
        spec=spec,
        image_id=image.id,
        signed_by={} if admission is None else dict(admission.signed_by),
        created_at=time.time(),
        stop_signal=plan.stop_signal,
        healthcheck=None if check is None else check.as_dict(),
        health=None if check is None else Health(),
        exposed=_exposed(spec, image) if spec.publish_all else (),
    )
    return Ready(events.prepared(record, events.of(events.CREATED)), plan, _Images(image, shown))


class _Images(NamedTuple):
    """`own`: what the container is made of; `mounted`: by their canonical names."""

    own: Image
    mounted: Mapping[str, Image]


def _healthcheck(spec: ContainerSpec, image: Image) -> Healthcheck | None:
    check = healthcheck.merge(spec.healthcheck, image.config.healthcheck, image.config.shell)
    if check is None and spec.restart_unhealthy:
        raise InvalidArgument(
            f"restart_unhealthy: neither the request nor image {spec.image} has a health check; give one",
            {"field": "restart_unhealthy"},
        )
    return check


def _exposed(spec: ContainerSpec, image: Image) -> tuple[str, ...]:
    found = ports.all_exposed(image.config.exposed_ports, spec.expose)
    if len(found) > ports.MOST:
        raise InvalidArgument(
            f"publish_all: {len(found)} ports are exposed, and {ports.MOST} can be published; name them by ports",
            {"field": "publish_all"},
        )
    return tuple(f"{port}/{protocol}" for port, protocol in found)


def _existing(parts: Parts, spec: ContainerSpec) -> ContainerRecord | None:
    owner = parts.catalog.owner_of(spec.name)
    if owner is not None and owner != spec.id:
        raise AlreadyExists(
            f"the name {spec.name} is taken by container {owner[:12]}; remove that one or choose another name",
            {"field": "name", "id": owner},
        )
    try:
        record = parts.catalog.get(spec.id)
    except NotFound:
        return None
    if record.spec != spec:
        raise AlreadyExists(f"container {spec.id[:12]} exists with another specification", {"id": spec.id})
    return record


def make(parts: Parts, wanted: Ready) -> ContainerRecord:
    """Make it while holding the draft's lock: only so is it sure that nobody else makes the same id.

    Raises AlreadyExists as `create`, and what a network or a volume refuses.
    """
    record = wanted.record
    draft = parts.catalog.directory(record.id).with_name(CREATING + record.id)
    lock = parts.catalog.spares.take(draft)
    was_spare = lock is not None
    while lock is None and (lock := _open_draft(draft)) is None:
        existing = _existing(parts, record.spec)
        if existing is not None:
            return existing
    try:
        try:
            existing = _existing(parts, record.spec)
        except AlreadyExists:  # another took the name between the first look and the draft
            parts.catalog.discard(draft)
            raise
        if existing is not None:
            parts.catalog.discard(draft)
            return existing
        _see_removed(parts, record.id)
        return _make(parts, wanted, draft, was_spare=was_spare)
    finally:
        os.close(lock)


def _see_removed(parts: Parts, container_id: str) -> None:
    """One of this id that is still being removed must be gone: its removal would free what the new one takes."""
    with contextlib.suppress(NotFound), parts.catalog.locked(container_id, prefix=REMOVED):
        removal.finish(parts, container_id)  # who began it was killed


def _make(parts: Parts, wanted: Ready, draft: Path, *, was_spare: bool) -> ContainerRecord:
    record, plan, images, nameless = wanted
    final = parts.catalog.directory(record.id)
    with parts.catalog.growing(), Undo() as undo:
        undo.add(parts.catalog.discard, draft)
        undo.add(parts.network.release, record.id)
        undo.add(parts.volumes.release, record.id)
        record = record.with_changes(mounts=mounting.prepare(parts, record.spec, *images, nameless))
        host = bundle.HostPlace(sharing.place(parts, record.spec), record.mounts, parts.config.home, parts.config.run)
        bundle.lay_out(draft, final, record.spec, plan, host, was_spare=was_spare)
        record = record.with_changes(networks=joining.told(parts.network.endpoints(record.id)))
        foreign.choose(draft, record.spec.runtime, limits.resources(record.spec))
        version = records.save(draft, record)
        undo.add(parts.snapshots.remove, record.id)
        with parts.store.transaction():  # short: every other writer waits for it
            _claim(parts, record, images.own)
            os.rename(draft, final)
            undo.add(parts.catalog.discard, final)
            events.tell(parts, record)
    parts.catalog.remember(record, version)
    return record


def register(parts: Parts, record: ContainerRecord, image: Image) -> None:
    """Tell the database of a whole container that it doesn't know (any more); the caller holds the lock."""
    place = sharing.place(parts, record.spec)
    if place.files is None:
        name = sharing.hostname(parts, record.spec)
        bundle.write_hosts(parts.catalog.directory(record.id), place, record.spec, name)
    with parts.store.transaction():
        mounting.acquire_again(parts, record.id, record.mounts)
        _claim(parts, record, image)
        events.tell(parts, record)


def _claim(parts: Parts, record: ContainerRecord, image: Image) -> None:
    """Inside a transaction: take the name, prepare the snapshot, keep the volumes and the layers of other images."""
    events.ask_anew(parts, record.id)
    parts.volumes.keep(record.id)
    parts.catalog.claim_name(record.name, record.id)
    chain, limit = str(image.chain_ids[-1]) if image.chain_ids else "", storage_options.read(record.spec.storage_opt)
    parts.snapshots.prepare(record.id, chain, limit_bytes=limit, mark=changes.MARK)
    mounting.hold_layers(parts, record.id, record.mounts)


def _open_draft(draft: Path) -> int | None:
    """Make the draft's directory anew and hold its lock, which tells a reconcile that somebody is at it.

    None when the draft was finished or dropped by somebody else in between; `Conflict` while somebody is at it.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(draft, 0o700)
    try:
        lock = os.open(draft / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        raise Conflict(f"container {draft.name.removeprefix(CREATING)[:12]} is just being created") from None
    if not _is_at(draft / "lock", lock):
        os.close(lock)
        return None
    for entry in draft.iterdir():
        if entry.name != "lock":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    return lock


def _is_at(path: Path, descriptor: int) -> bool:
    try:
        return os.stat(path).st_ino == os.fstat(descriptor).st_ino
    except FileNotFoundError:
        return False
