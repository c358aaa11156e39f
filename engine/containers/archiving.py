"""Copy out, copy in, export: a container's files as tar streams, whether it runs or rests.

Of a running container all is seen that it sees itself, mounts included, by the root of its first process. One that
rests has its own layer over its image's, with its volumes and bind mounts (not what a start puts in memory): reading
takes nothing from a start that comes meanwhile, and what is copied in holds the container's lock, so that the two
never write to one layer at once. Nor are volumes that it may write to restored meanwhile: what was copied would be
gone.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from engine.archives import request as words
from engine.archives import transfer
from engine.archives.places import OVERLAY
from engine.archives.request import Owners, PathStat, Request
from engine.archives.transfer import Transfer
from engine.containers import mounting, process, reaping, states
from engine.containers.parts import Parts
from engine.containers.record import ContainerRecord
from engine.errors import Unavailable, Unsupported
from engine.options.mounts import PRIVATE, TMPFS, VOLUME
from engine.runtime import hiding, kernel
from engine.runtime.ids import COUNT
from engine.runtime.rooted import holds
from engine.runtime.spec import bind_entries

TRIES = 5
"""So often a container may end and be started again while it is looked at."""
END_SECONDS = 5.0
"""A process that exits has no root any more, and is gone a moment later."""


class _HasEnded(Unavailable):
    def __init__(self, record: ContainerRecord) -> None:
        super().__init__(f"container {record.name} has just ended: try again in a moment")
        self.record = record


def path_stat(parts: Parts, container_id: str, path: str) -> PathStat:
    """What is at a path. Raises `NotFound` and the others of `copy_out`."""
    with _reading(parts, container_id, words.STAT, path) as copying:
        assert copying.stat is not None
        return copying.stat


def copy_out(parts: Parts, container_id: str, path: str) -> Transfer:
    """The file or directory at `path` as a tar, whose names begin with its own: to be read from `Transfer.stream`.

    Raises `NotFound`, `InvalidArgument`, `PermissionDenied` for the kernel's files, `Unsupported`.
    """
    return _reading(parts, container_id, words.PACK, path)


def export(parts: Parts, container_id: str) -> Transfer:
    """The whole root file system as a tar, without what is mounted into it."""
    return _reading(parts, container_id, words.EXPORT, "/")


def copy_in(parts: Parts, container_id: str, path: str, *, keep_kinds: bool = False, as_user: bool = False) -> Transfer:
    """Unpack the tar that is written to `Transfer.stream` into the directory `path`.

    `keep_kinds`: a directory never makes room for another thing, nor the reverse; `as_user`: all becomes the
    container's user's (if it has one) instead of whom the archive names. Raises as `copy_out` does.
    """

    def begin() -> Transfer:
        with contextlib.ExitStack() as held:
            record = parts.catalog.get(container_id)
            if record.status not in states.ALIVE:
                held.enter_context(parts.catalog.locked(container_id))
                record = parts.catalog.get(container_id)
                for volume in _writable(record):
                    held.enter_context(parts.volumes.steady(volume))
            user = None
            if as_user:
                image = parts.images().get(record.image_id)
                user = process.plan(record.spec, image.config).user or None
            request, opened = _request(parts, record, words.UNPACK, path, is_writable=True)
            with _closing(opened):
                request = replace(request, keep_kinds=keep_kinds, user=user)
                return transfer.begin(request, held.pop_all())

    return _settling(parts, begin)


def _writable(record: ContainerRecord) -> list[str]:
    """The volumes that a copy can write to, wherever its path leads: links of the container's may lead to any."""
    return sorted({point.name for point in record.mounts if point.type == VOLUME and not point.read_only})


def _reading(parts: Parts, container_id: str, action: str, path: str) -> Transfer:
    def begin() -> Transfer:
        request, opened = _request(parts, parts.catalog.get(container_id), action, path)
        with _closing(opened):
            return transfer.begin(request)

    return _settling(parts, begin)


def _settling(parts: Parts, begin: Callable[[], Transfer]) -> Transfer:
    """What `begin` does; anew for a container whose end nobody has seen: it rests then, and is read like that."""
    for _ in range(TRIES - 1):
        try:
            return begin()
        except _HasEnded as ended:
            parts.runtime.wait(parts.catalog.directory(ended.record.id), ended.record.run, END_SECONDS)
            reaping.settle(parts, ended.record.id, ended.record.run)
    return begin()


def _request(
    parts: Parts, record: ContainerRecord, action: str, path: str, *, is_writable: bool = False
) -> tuple[Request, list[int]]:
    """The way into the container as it is now, and the descriptors that go along with it."""
    if record.status in states.ALIVE:
        return _way_into_running(parts, record, action, path)
    overlay = parts.snapshots.overlay(record.id)
    layers = {"lowerdirs": list(overlay.lowerdirs), "upperdir": overlay.upperdir, "workdir": overlay.workdir}
    owners = Owners(0, COUNT) if record.userns == "auto" else Owners()
    request = Request(action=action, path=path, layers=layers, is_writable=is_writable, owners=owners)
    return request if action == words.EXPORT else _with_mounts(parts, record, request), []


def _with_mounts(parts: Parts, record: ContainerRecord, request: Request) -> Request:
    """What a start would mount, private: nothing that is mounted for a copy may appear on the host.

    Raises what a volume that can't be mounted raises, NotFound for an image's layers that are gone.
    """
    writes = request.is_writable
    points = [
        replace(point, read_only=point.read_only or not writes, propagation=PRIVATE)
        for point in record.mounts
        if point.type != TMPFS
    ]
    path = posixpath.normpath("/" + request.path.lstrip("/"))
    asked = [replace(point, read_only=point.read_only or not holds(point.destination, path)) for point in points]
    mounting.make_ready(parts, asked)  # one that is full is in the way of those alone who write to it
    return replace(
        request,
        binds=tuple(bind_entries(mounting.binds(points, (), parts.config.home, privileged=record.spec.privileged))),
        images=mounting.layers(parts, points),
        home=hiding.identity(parts.config.home),
        has_read_only_root=writes and record.spec.read_only,
    )


def _way_into_running(parts: Parts, record: ContainerRecord, action: str, path: str) -> tuple[Request, list[int]]:
    opened: list[int] = []
    try:
        for name, flags in (("root", os.O_PATH | os.O_DIRECTORY), ("ns/mnt", os.O_RDONLY)):
            opened.append(os.open(f"/proc/{record.pid}/{name}", flags | os.O_CLOEXEC))
        owners = _owners(Path(f"/proc/{record.pid}/uid_map").read_text())
        if not parts.runtime.is_alive(parts.catalog.directory(record.id)):
            raise ProcessLookupError  # what was opened may be another process's
        is_overlay = kernel.file_system(opened[0]) == OVERLAY
    except OSError as error:
        _close(opened)
        raise _HasEnded(record) from error
    if not is_overlay:
        _close(opened)
        raise Unsupported(
            f"container {record.name} keeps its files where the host can't see them while it runs: stop it first"
        )
    root, mounts = opened
    return Request(action=action, path=path, root=root, mounts=mounts, owners=owners), opened


def _owners(uid_map: str) -> Owners:
    """user_namespaces(7): inside, outside, count. Ours map one range; the host's own maps all to itself."""
    lines = [line.split() for line in uid_map.splitlines()]
    if len(lines) == 1 and lines[0][0] == "0":
        return Owners(int(lines[0][1]), int(lines[0][2]))
    return Owners()


def _close(descriptors: list[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


@contextlib.contextmanager
def _closing(descriptors: list[int]) -> Iterator[None]:
    """The child has its own by then."""
    try:
        yield
    finally:
        _close(descriptors)
