"""Recover: compare disk, kernel and record, and finish or undo whatever a crash left half done.

    found                                            done
    ───────────────────────────────────────────────  ─────────────────────────────────────────────
    `.creating-<id>`, nobody holds its lock          deleted; it was never acknowledged
    `.removed-<id>`, `.trash-…`                      its removal is finished
    `.spare-…`                                       deleted: who made it ahead is no more, or does without
    a record that is empty                           a power cut took its creation: removed, nobody had heard of it
    a directory without a name                       its creation is completed, or undone if it can't be
    a name without a directory                       freed
    a record with another name than its container's  given that name: a rename was cut short
    record runs, process runs                        marked for the keeper; let go on, if it was frozen for a commit;
                                                     its ports as the record says, if their change was cut short
    record runs, process gone, exit noted            reaped; the restart policy applies
    record runs, process gone, nothing noted         stopped with 255; `always` and `unless-stopped` start again,
                                                     what they depend on before them; `always` even if it was stopped
    record rests, but was to go with its end          marked for the keeper, which removes it
    record rests, but a mark or a cgroup is there     a start was cut short: undone; its job comes again
    an exec that ended long ago                       its directory is removed
    who was attached, but lives no more              its leaving is told, if its run goes on
    cgroup, snapshot, endpoint of no container       removed
    it is noted that one is being recreated          it is as it was, or the new one is there alone: `recreation`

Each container is looked at under its lock; one that is locked is being taken care of.
"""

from __future__ import annotations

import contextlib
import logging
import os
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from engine.containers import (
    attaching,
    creation,
    dependencies,
    events,
    execs,
    joining,
    publishing,
    reaping,
    recreation,
    removal,
    renaming,
    restarts,
    spares,
    starting,
    states,
)
from engine.containers.catalog import CREATING, REMOVED, TRASH, Busy
from engine.containers.parts import Parts
from engine.containers.record import FILE, ContainerRecord
from engine.containers.unfinished import clear, settle_birth
from engine.errors import DataCorrupt, EngineError, NotFound
from engine.options import modes

log = logging.getLogger(__name__)

STARTS = 4
"""So many containers are started at a time after a boot: more would only take the processors from one another."""


def recover(parts: Parts, others: Callable[[], Collection[str]] = tuple) -> list[str]:
    """Bring this home into order. Returns what was done, a line each; one failure doesn't stop the rest.

    `others`: who has an endpoint and is no container (see `Network.reconcile`).
    """
    done: list[str] = []
    boot = parts.config.run / "boot_id"
    rebooted = _is_new_boot(boot)
    for container_id in parts.catalog.leftovers(CREATING):
        _attempt(done, _drop_draft, parts, container_id)
    for container_id in parts.catalog.leftovers(REMOVED):
        _attempt(done, _finish_removal, parts, container_id)
    for prefix in (TRASH, spares.PREFIX):
        for name in parts.catalog.leftovers(prefix):
            parts.catalog.discard(parts.config.containers / f"{prefix}{name}")
    for container_id in parts.catalog.ids():
        _attempt(done, _drop_unwritten, parts, container_id)
    _attempt(done, _match_names, parts)
    due = [
        container_id
        for container_id in parts.catalog.ids()
        if _attempt(done, _settle_one, parts, container_id, rebooted) == START
    ]
    for container_id in parts.catalog.ids():
        _attempt(done, execs.sweep, parts, container_id)
        _attempt(done, attaching.sweep, parts, container_id)
    _attempt(done, _drop_orphans, parts, others)
    for container_id in recreation.unfinished(parts):
        _attempt(done, recreation.settle, parts, container_id)
    _start_all(done, parts, due)
    boot.write_text(_boot_id())  # last: a recovery that is cut short is for the next one to repeat
    return done


START = "start"
"""What `_settle_one` answers when the container shall be started once the kernel is clean."""


def _attempt(done: list[str], step: Callable[..., str | None], parts: Parts, *arguments: object) -> str | None:
    try:
        outcome = step(parts, *arguments)
    except (Busy, NotFound):
        return None  # somebody else is at it, or it has just been removed
    except Exception as error:  # whatever it is: the other containers must not wait for it
        log.exception("recovery step %s%r failed", step.__name__, arguments)
        done.append(f"{step.__name__.strip('_')} {arguments!r} failed: {error}")
        return None
    if outcome and outcome != START:
        done.append(outcome)
    return outcome


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text()


def _is_new_boot(path: Path) -> bool:
    """Whether the machine has been started anew since the last recovery."""
    try:
        return path.read_text() != _boot_id()
    except FileNotFoundError:
        return False


def _drop_draft(parts: Parts, container_id: str) -> str | None:
    draft = parts.catalog.directory(container_id).with_name(CREATING + container_id)
    with parts.catalog.locked(container_id, wait=False, prefix=CREATING):
        parts.catalog.discard(draft)
        if not parts.catalog.directory(container_id).exists():
            _free_resources(parts, container_id)
    return f"dropped half-made container {container_id[:12]}"


def _free_resources(parts: Parts, container_id: str) -> None:
    parts.cgroups.remove(container_id)
    parts.network.unpublish(container_id)
    parts.network.release(container_id)
    parts.snapshots.remove(container_id)
    parts.volumes.release(container_id)
    parts.catalog.unmark_live(container_id)


def _finish_removal(parts: Parts, container_id: str) -> str:
    with parts.catalog.locked(container_id, wait=False, prefix=REMOVED):
        removal.finish(parts, container_id)
    return f"finished the removal of container {container_id[:12]}"


def _drop_unwritten(parts: Parts, container_id: str) -> str | None:
    """The name of a file may reach the disk before what is in it; what was acknowledged is whole: `durability`."""
    directory = parts.catalog.directory(container_id)
    if not any(map(_is_unwritten, (directory / FILE, directory / "bundle" / "config.json"))):
        return None
    with parts.catalog.locked(container_id, wait=False):
        os.rename(directory, directory.with_name(REMOVED + container_id))
        removal.finish(parts, container_id)
    return f"dropped container {container_id[:12]}, whose creation a power cut has cut short"


def _is_unwritten(path: Path) -> bool:
    """Whether a text is not all there: it is empty, or has zeros where its size reached the disk before the rest."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return False
    return not content or b"\0" in content


def _match_names(parts: Parts) -> str | None:
    """Only a crash in the last moment of a creation, or a power cut, parts a directory from its name."""
    names = {container_id: name for name, container_id in parts.catalog.names().items()}
    directories = set(parts.catalog.ids())
    lines = []
    for container_id in names.keys() - directories:
        if parts.catalog.directory(container_id).exists():
            continue
        with parts.store.transaction():
            parts.catalog.free_name(container_id)
            parts.journal.append(events.REMOVED, container_id, {"type": "container", "name": names[container_id]})
            events.forget(parts, container_id)
        lines.append(f"forgot container {names[container_id]}, whose directory is gone")
    for container_id in directories - names.keys():
        with contextlib.suppress(Busy, NotFound), parts.catalog.locked(container_id, wait=False):
            if container_id not in parts.catalog.names().values():
                lines.append(_complete_or_drop(parts, container_id))
    for container_id in directories & names.keys():
        with contextlib.suppress(Busy, NotFound, DataCorrupt):
            if parts.catalog.get(container_id).name != names[container_id]:
                lines += renaming.follow_table(parts, container_id)
    return "; ".join(lines) or None


def _complete_or_drop(parts: Parts, container_id: str) -> str:
    """The record is on the disk, what the database knew of it is not: make that again, if it can be made."""
    try:
        record = parts.catalog.get(container_id)
        creation.register(parts, record, parts.images().get(record.image_id))
    except (EngineError, OSError) as error:
        directory = parts.catalog.directory(container_id)
        os.rename(directory, directory.with_name(REMOVED + container_id))
        parts.journal.append(events.REMOVED, container_id, {"type": "container"})  # a site may have heard of it
        removal.finish(parts, container_id)
        return f"dropped container {container_id[:12]}, whose creation can't be completed: {error}"
    return f"completed the creation of container {record.name}"


def _settle_one(parts: Parts, container_id: str, rebooted: bool) -> str | None:
    with parts.catalog.locked(container_id, wait=False):
        found = parts.catalog.get(container_id)
        record = settle_birth(parts, found)
        events.tell(parts, record)
        if record.status in states.ALIVE:
            return _settle_running(parts, record)
        if record.status == states.RESTARTING:
            parts.catalog.mark_live(container_id)
            return START if _waited_through_boot(record, rebooted=rebooted) else None
        if reaping.is_to_be_removed(record):
            parts.catalog.mark_live(container_id)
            return f"left container {record.name}, which has ended, to the keeper to remove"
        if found.status in states.ALIVE:
            return f"took back the unfinished start of container {record.name}"
        line = joining.follow_endpoints(parts, record) if modes.has_network(record.spec) else None
        record = record if line is None else parts.catalog.get(container_id)
        if _is_due(record, rebooted=rebooted):
            return START
        return _undo_start(parts, record) or line


def _settle_running(parts: Parts, record: ContainerRecord) -> str | None:
    directory = parts.catalog.directory(record.id)
    parts.catalog.mark_live(record.id)
    if parts.runtime.is_alive(directory):
        if record.status == states.RUNNING and parts.cgroups.is_frozen(record.id):
            parts.cgroups.thaw(record.id)  # somebody died who had it stand still for a moment
            return f"let container {record.name} go on"
        joined = joining.follow_endpoints(parts, record)
        record = record if joined is None else parts.catalog.get(record.id)
        return "; ".join(filter(None, (joined, publishing.follow_record(parts, record)))) or None
    status = parts.runtime.wait(directory, record.run, reaping.MONITOR_SECONDS)
    if status is not None and not status.lost:
        # The log is the keeper's: it adopts the pipes, empties them and reaps; its mark is all that it needs.
        return f"container {record.name} ended with {status.code} while nobody watched"
    # A back-off makes no sense after a boot, so the policy is applied by us, and not by a waiting restart.
    ended = reaping.finish(
        parts, record, code=reaping.LOST_EXIT_CODE, at=time.time(), error=reaping.LOST, may_restart=False
    )
    return START if _is_due(ended, rebooted=False) else None


def _is_due(record: ContainerRecord, *, rebooted: bool) -> bool:
    """Whether a container that rests shall be started: with a new boot, or since a recovery that was to do so died."""
    was_running = record.desired == states.RUNNING
    if not rebooted and not (was_running and record.error == reaping.LOST):
        return False
    return record.started_at is not None and restarts.wants_start_at_boot(record.spec.restart, was_running=was_running)


def _waited_through_boot(record: ContainerRecord, *, rebooted: bool) -> bool:
    """Whether a restart that was due is one of the boot's starts now; on-failure just goes on with its back-off."""
    return rebooted and restarts.wants_start_at_boot(record.spec.restart, was_running=True)


def _undo_start(parts: Parts, record: ContainerRecord) -> str | None:
    """A container that doesn't run has no mark, no cgroup and no process, unless its start or its end was cut short.

    Who ended it marks the end by taking the mark away, the last thing of all: until then its last words may wait in its
    pipes, and are the keeper's.
    """
    directory, has_cgroup = parts.catalog.directory(record.id), record.id in parts.cgroups.list()
    if record.id not in parts.catalog.live_ids() and not has_cgroup:
        return None
    if not has_cgroup and record.run and parts.runtime.last_run(directory) == record.run:
        reaping.wake_keeper(parts, record.id)
        return f"left the end of container {record.name} to the keeper"
    clear(parts, record.id)
    if (used := parts.runtime.last_run(directory)) > record.run:  # that run's number
        parts.catalog.save(record.with_changes(run=used))
    if used and used == record.run:
        reaping.wake_keeper(parts, record.id)
    else:
        parts.catalog.unmark_live(record.id)
    return f"took back the unfinished start of container {record.name}"


def _drop_orphans(parts: Parts, others: Callable[[], Collection[str]]) -> str | None:
    """Kernel objects and snapshots that belong to no container."""
    with parts.catalog.growing(alone=True):
        return _drop_orphans_alone(parts, others)


def _drop_orphans_alone(parts: Parts, others: Callable[[], Collection[str]]) -> str | None:
    lines = []
    for kind, found, remove in (
        ("cgroup", parts.cgroups.list(), parts.cgroups.remove),
        ("snapshot", parts.snapshots.keys(), parts.snapshots.remove),
    ):
        for key in found:
            directory = parts.catalog.directory(key)
            if directory.exists():
                continue
            remove(key)
            lines.append(f"removed orphan {kind} {key[:12]}")
    lines += parts.volumes.recover(lambda container_id: parts.catalog.directory(container_id).exists())
    live = {
        record.id: record.pid
        for record in parts.catalog.list()
        if record.pid and modes.has_network(record.spec) and parts.runtime.is_alive(parts.catalog.directory(record.id))
    }
    parts.network.reconcile(live, keep=parts.catalog.ids(), others=others)
    return "; ".join(lines) or None


def _start_all(done: list[str], parts: Parts, due: Sequence[str]) -> None:
    """Start what the boot has ended: after those it depends on, else the oldest first, `STARTS` at a time."""
    records = []
    for container_id in due:
        with contextlib.suppress(NotFound, DataCorrupt):
            records.append(parts.catalog.get(container_id))
    with ThreadPoolExecutor(STARTS) as pool:
        for wave in dependencies.waves(records):
            for future in [pool.submit(_attempt, done, _start, parts, record.id) for record in wave]:
                future.result()


def _start(parts: Parts, container_id: str) -> str:
    why = starting.await_dependencies(parts, container_id)
    if why is not None:
        return f"container {container_id[:12]} is started later: {why}"
    with contextlib.suppress(EngineError):
        record = starting.start(parts, container_id)
        return f"started container {record.name}, as its restart policy asks"
    return f"container {container_id[:12]} could not be started again; its record says why"
