"""Remove: the container, its snapshot, its address and its name; its log is put away, if the team keeps those.

Renaming the directory is the point of no return. What follows can be repeated any number of times, and
`recovery` does when a crash comes between.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from pathlib import Path
from typing import Any

from engine.containers import attaching, events, states, stopping
from engine.containers.catalog import REMOVED, Busy
from engine.containers.parts import Parts
from engine.containers.reaping import is_to_be_removed
from engine.containers.record import ContainerRecord
from engine.errors import Conflict, DataCorrupt, NotFound
from engine.logs.kept import KeptLogs
from engine.reserve import Reserve, is_full

log = logging.getLogger(__name__)

ATTEMPTS = 3
LAST_WORDS_SECONDS = 600.0
STOPPER_SECONDS = 1.0
"""How long who has stopped a container waits for those who are attached, who most often leave within milliseconds."""
LOOK_SECONDS = 0.005
WITH_VOLUMES = "with-volumes"
"""A file in the directory of a container that is removed with its volumes: who finishes the removal must know."""
_OVERTAKEN = ("remove", "kill", "stop")


def remove(
    parts: Parts,
    container_id: str,
    *,
    force: bool = False,
    volumes: bool = False,
    stop: bool = False,
    grace: float | None = None,
) -> None:
    """Remove it; one that runs is stopped before (`stop`), or killed (`force`). One that is gone is removed already: no
    error.

    `grace`: how many seconds a stop waits before SIGKILL, as `timeout_seconds` of `stopping.stop`. `volumes`: those
    without a name go with it, unless another container has them.
    """
    for _ in range(ATTEMPTS):
        try:
            if stop:
                stopping.stop(parts, container_id, grace, ending=states.LEAVE)
            elif force:
                _bring_down(parts, container_id)
            with parts.catalog.locked(container_id):
                _check(parts, container_id, force)
                directory = parts.catalog.directory(container_id)
                if volumes:
                    with contextlib.suppress(OSError):  # the disk is full: a removal makes room, volumes can wait
                        (directory / WITH_VOLUMES).touch()
                os.rename(directory, directory.with_name(REMOVED + container_id))
                # Who began anew would find nothing to remove.
                Reserve(parts.config.home).with_room(lambda: finish(parts, container_id))
        except NotFound:
            return
        except Conflict as error:
            if not (force or stop) or error.detail.get("verb") not in _OVERTAKEN:
                raise
            continue  # it ended, or something started it again, between our look and the lock
        return
    raise Conflict(f"container {container_id[:12]} is started again and again; stop it, then remove it")


def remove_ended(parts: Parts, container_id: str) -> None:
    """Remove what was made with `auto_remove` and has ended, once those who are attached have read its last words.

    Raises `Busy` until then; nobody holds it up for longer than `LAST_WORDS_SECONDS`.
    """
    record = parts.catalog.get(container_id)
    waited = time.time() - (record.finished_at or 0.0)
    if 0 <= waited < LAST_WORDS_SECONDS and attaching.held_by_somebody(parts.catalog.directory(container_id)):
        raise Busy(f"somebody still reads what container {record.name} has said")
    remove(parts, container_id, volumes=True)


def follow_end(parts: Parts, record: ContainerRecord) -> ContainerRecord:
    """After a stop or a kill, with the record it came to, which is returned: remove what is to go with its end.

    Who asked for the end finds it gone (its name, its volumes, its networks), as with Docker. What can't be removed
    now is left to the keeper and the next start: the end itself has come, so nothing is raised for that.
    """
    if not is_to_be_removed(record):
        return record
    deadline = time.monotonic() + STOPPER_SECONDS
    while True:
        try:
            remove_ended(parts, record.id)
        except Busy:
            if time.monotonic() < deadline:
                time.sleep(LOOK_SECONDS)
                continue
        except (Conflict, NotFound):
            pass  # it was started again, or is gone
        except Exception as error:  # noqa: BLE001  whatever it was, the stop is done
            log.warning("container %s has ended, and is removed later: %s", record.name, error)
        return record


def finish(parts: Parts, container_id: str) -> None:
    """Free everything of a container whose directory carries `REMOVED` in front.

    That it is gone is told before its files are deleted, which may take long; on a full disk only after that.
    """
    directory = parts.catalog.directory(container_id).with_name(REMOVED + container_id)
    parts.runtime.abort(directory)
    parts.cgroups.remove(container_id)
    parts.network.release(container_id)
    delete_files = parts.snapshots.take_away(container_id)
    parts.catalog.unmark_live(container_id)
    try:
        _put_away(parts, directory, container_id)
    except Exception as error:
        delete_files()
        if not is_full(error):
            raise
        _put_away(parts, directory, container_id)
    else:
        delete_files()
    parts.catalog.discard(directory)


def _put_away(parts: Parts, directory: Path, container_id: str) -> None:
    parts.volumes.release(container_id, anonymous=(directory / WITH_VOLUMES).exists())
    record = None
    with contextlib.suppress(NotFound, DataCorrupt):
        record = parts.catalog.get(container_id, prefix=REMOVED)
    is_kept = KeptLogs(parts.config).keep(container_id, directory / "log", _about(record, container_id))
    _tell(parts, record, container_id, is_kept)


def _tell(parts: Parts, record: ContainerRecord | None, container_id: str, is_kept: bool) -> None:
    """Free the name and tell of the end: with the name the right to tell goes, however often this is repeated."""
    with parts.store.transaction():
        if record is not None:
            events.tell(parts, record)
        if parts.catalog.free_name(container_id):
            labels = {} if record is None else events.labelled(record)
            parts.journal.append(events.REMOVED, container_id, {**labels, "log_kept": is_kept})
        events.forget(parts, container_id)


def _about(record: ContainerRecord | None, container_id: str) -> dict[str, Any]:
    """What is worth knowing of it with its log."""
    about: dict[str, Any] = {"id": container_id}
    if record is not None:
        about |= {"name": record.name, "image": record.spec.image, "created_at": record.created_at}
    return about


def _bring_down(parts: Parts, container_id: str) -> None:
    try:
        record = parts.catalog.get(container_id)
    except DataCorrupt:
        return
    if record.status == states.RESTARTING:
        stopping.stop(parts, container_id)
    elif record.status in states.ALIVE:
        stopping.kill(parts, container_id)


def _check(parts: Parts, container_id: str, force: bool) -> None:
    try:
        record = parts.catalog.get(container_id)
    except DataCorrupt:
        if not force:
            raise
        return
    states.require("remove", record.status, record.name)
