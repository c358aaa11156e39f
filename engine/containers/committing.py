"""Commit: what a container has changed becomes an image's layer, and how it runs that image's configuration.

The container's lock is held while its files are read, so that no start changes them; a running one stands still
meanwhile (`pause`), unless it is asked not to. Should the host's worker die just then, the next recovery lets it go on.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from engine.archives import request as words
from engine.archives import transfer
from engine.archives.request import Request
from engine.containers import changes, events, states
from engine.containers.parts import Image, Parts
from engine.containers.record import ContainerRecord
from engine.containers.spec import ContainerSpec
from engine.errors import NotFound
from engine.oci import instructions

_NANOSECONDS = {
    "interval_seconds": "Interval",
    "timeout_seconds": "Timeout",
    "start_period_seconds": "StartPeriod",
    "start_interval_seconds": "StartInterval",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitSpec:
    """`reference`: the new image's tag, None for an image without a name; `changes`: lines of `oci.instructions`.

    `created_at`: RFC 3339. Committing again with the same one gives what is there under the reference.
    """

    reference: str | None = None
    author: str = ""
    comment: str = ""
    changes: tuple[str, ...] = ()
    pause: bool = True
    created_at: str = ""


def commit(parts: Parts, container_id: str, spec: CommitSpec, *, cancel: threading.Event | None = None) -> Image:
    """Make the image. Raises `InvalidArgument`, `Cancelled` and others."""
    record = parts.catalog.get(container_id)
    instructions.apply({}, spec.changes)  # what is wrong with them is said before anything stands still
    existing = _done_before(parts, spec)
    if existing is not None:
        return _told(parts, record, spec, existing)
    created_at = spec.created_at or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    with _still(parts, record, pause=spec.pause), transfer.begin(_request(parts, record)) as copying:
        assert copying.stream is not None
        image = parts.images().commit(
            record.image_id,
            copying.stream,
            config=lambda base: instructions.apply(config_of(record.spec, base), spec.changes),
            author=spec.author,
            comment=spec.comment,
            created_at=created_at,
            created_by=" ".join([*(record.spec.entrypoint or ()), *record.spec.command]),
            reference=spec.reference,
            finish=copying.wait,
            cancel=cancel,
        )
    return _told(parts, record, spec, image)


def _told(parts: Parts, record: ContainerRecord, spec: CommitSpec, image: Image) -> Image:
    """Tell of it: once, if it is one that can be asked for again (`created_at` and a reference say which)."""
    attributes = {"action": "commit", **events.labelled(record), "imageID": image.id, "imageRef": spec.reference or ""}
    told = (events.ACTION, record.id, attributes)
    if spec.reference is None or not spec.created_at:
        parts.journal.append(*told)
    else:
        events.once(parts, record.id, f"commit {spec.created_at} {spec.reference}", 1, [told])
    return image


def _done_before(parts: Parts, spec: CommitSpec) -> Image | None:
    """An earlier attempt of the same commit, whose caller died before it could say so."""
    if spec.reference is None or not spec.created_at:
        return None
    with contextlib.suppress(NotFound):
        found = parts.images().get(spec.reference)
        if found.config.created_at == spec.created_at:
            return found
    return None


@contextlib.contextmanager
def _still(parts: Parts, record: ContainerRecord, *, pause: bool) -> Iterator[None]:
    """Nothing changes the container's files in here, if it can be helped."""
    if record.status in states.ALIVE and not pause:
        yield
        return
    with parts.catalog.locked(record.id):
        if parts.catalog.get(record.id).status != states.RUNNING:
            yield
            return
        parts.cgroups.freeze(record.id)
        try:
            yield
        finally:
            parts.cgroups.thaw(record.id)


def _request(parts: Parts, record: ContainerRecord) -> Request:
    overlay = parts.snapshots.overlay(record.id)
    layers = {"lowerdirs": list(overlay.lowerdirs), "upperdir": overlay.upperdir}
    own = changes.mount_points(parts.catalog.directory(record.id))
    return Request(
        action=words.DIFFERENCE, layers=layers, own=tuple(path.decode(errors="surrogateescape") for path in own)
    )


def config_of(spec: ContainerSpec, base: dict[str, Any]) -> dict[str, Any]:
    """The image's configuration with what the container was made with, in the image's words, as Docker merges them."""
    config = dict(base)
    if spec.entrypoint is not None:
        config["Entrypoint"], config["Cmd"] = list(spec.entrypoint), list(spec.command)
    elif spec.command:
        config["Cmd"] = list(spec.command)
    names = dict(entry.partition("=")[::2] for entry in base.get("Env") or ())
    config["Env"] = [f"{name}={value}" for name, value in {**names, **spec.env}.items()]
    for key, value in (("User", spec.user), ("WorkingDir", spec.workdir), ("StopSignal", spec.stop_signal)):
        if value:
            config[key] = value
    if spec.labels:
        config["Labels"] = {**(base.get("Labels") or {}), **spec.labels}
    if spec.ports:
        ports: dict[str, Any] = {f"{port.container}/{port.protocol}": {} for port in spec.ports}
        config["ExposedPorts"] = {**(base.get("ExposedPorts") or {}), **ports}
    if spec.healthcheck:
        config["Healthcheck"] = {**(base.get("Healthcheck") or {}), **_healthcheck(dict(spec.healthcheck))}
    return {key: value for key, value in config.items() if value not in ([], {}, "", None)}


def _healthcheck(check: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        theirs: int(check[ours] * 1e9) for ours, theirs in _NANOSECONDS.items() if check.get(ours) is not None
    }
    if check.get("test"):
        found["Test"] = list(check["test"])
    if check.get("retries") is not None:
        found["Retries"] = check["retries"]
    return found
