"""Reap: what follows a container's death, done once by whoever comes first.

The keeper sees a death and a stop waits for one; both call `reap`, and the second finds it done. The order is:
figures (exit, OOM) ─► kernel (cgroup, ports) ─► record and event in one transaction ─► the keeper's mark. A
crash anywhere leaves the mark, so the keeper does it again; what was told is not told again.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from engine.containers import events, memory, pipes, restarts, states
from engine.containers.parts import Parts
from engine.containers.record import ContainerRecord
from engine.containers.unfinished import settle_birth
from engine.errors import EngineError

log = logging.getLogger(__name__)

LOST_EXIT_CODE = 255
LOST = "it ended while nobody watched (the host restarted, or its monitor was killed); its exit code is lost"
UNHEALTHY = "it was ended because its health check failed"
DRAIN_SECONDS = 2.0
MONITOR_SECONDS = 1.0


def settle(parts: Parts, container_id: str, run: int) -> ContainerRecord:
    """After a death that the caller has seen: let the keeper finish the log, without holding anybody up; then reap."""
    _let_log_finish(parts, container_id)
    return reap(parts, container_id, run)


def _let_log_finish(parts: Parts, container_id: str) -> None:
    """Whoever reads that a container has ended finds its last words in the log.

    A keeper that died meanwhile is started by the notification, and the pipe keeps the bytes for it; after
    `DRAIN_SECONDS` the record goes ahead of the log.
    """
    directory = parts.catalog.directory(container_id)
    if pipes.pending_bytes(directory):
        try:
            parts.keeper.notify(container_id)
        except EngineError as error:
            log.warning("the log of container %s is written later: %s", container_id[:12], error.message)
        else:
            pipes.wait_drained(directory, DRAIN_SECONDS)


def wake_keeper(parts: Parts, container_id: str) -> None:
    """The container runs, whatever becomes of the keeper: its mark is there, and its pipe waits."""
    try:
        parts.keeper.notify(container_id)
    except EngineError as error:
        log.warning("%s", error.message)


def reap(parts: Parts, container_id: str, run: int, *, wait: bool = True) -> ContainerRecord:
    """Record the end of `run`, if it has ended, and free what it held. Idempotent.

    Returns the record as it then is. Raises `NotFound` when the container is gone and, without `wait`, `Busy`
    when somebody else holds its lock.
    """
    with parts.catalog.locked(container_id, wait=wait):
        record = settle_birth(parts, parts.catalog.get(container_id))
        if record.run == run and record.status in states.ALIVE:
            return _reap(parts, record)
        events.tell(parts, record)
        if record.status in (states.CREATED, states.STOPPED) and not is_to_be_removed(record):
            parts.catalog.unmark_live(container_id)
        return record


def _reap(parts: Parts, record: ContainerRecord) -> ContainerRecord:
    directory = parts.catalog.directory(record.id)
    status = parts.runtime.exit_status(directory, record.run)
    if status is None and parts.runtime.is_alive(directory):
        return record
    if status is None:  # its monitor is a moment away from the rename
        status = parts.runtime.wait(directory, record.run, MONITOR_SECONDS)
    _let_log_finish(parts, record.id)  # most often it has: the keeper asks for this when it is through
    if status is None:
        return finish(parts, record, code=LOST_EXIT_CODE, at=time.time(), error=LOST)
    return finish(parts, record, code=status.code, at=status.at, error=LOST if status.lost else None)


def finish(
    parts: Parts, record: ContainerRecord, *, code: int, at: float, error: str | None, may_restart: bool = True
) -> ContainerRecord:
    """Free what the run held and write down its end; the caller holds the lock.

    Without `may_restart` the restart policy is left to the caller.
    """
    oom_killed = memory.tell(parts, record)
    parts.runtime.release(parts.catalog.directory(record.id))
    parts.cgroups.remove(record.id)
    # The record may be behind what was just exchanged; and no name leads to it once its end is told.
    if record.ports or record.spec.ports or record.exposed or record.networks:
        parts.network.unpublish(record.id)
    ended = _after(record, code=code, at=at, oom_killed=oom_killed, error=error, may_restart=may_restart)
    ended = events.change(parts, ended, *_told_of(record, ended))
    if ended.status == states.STOPPED and not is_to_be_removed(ended):
        parts.catalog.unmark_live(record.id)
    return ended


def _told_of(record: ContainerRecord, ended: ContainerRecord) -> Iterator[events.Untold]:
    """What is told of an end, in Docker's order; what was killed for its memory limit was told before."""
    ending = record.ending if record.stopping == record.run else ""
    yield events.of(events.DIED, **({events.LEAVING: True} if ending == states.LEAVE else {}))
    yield from events.of_network("disconnect", record)
    yield from events.of_volumes("unmount", record)
    if ending in (states.STOP, states.LEAVE):
        yield events.of(events.STOPPED)
    if ended.status == states.RESTARTING:
        yield events.of(events.RESTARTING)


def is_to_be_removed(record: ContainerRecord) -> bool:
    """Whether it ran, has ended and was made with auto_remove: its mark stays until it is removed, by who
    ended it or by the keeper.

    One that never ran stays, to say why it didn't.
    """
    return record.spec.auto_remove and record.status == states.STOPPED and record.started_at is not None


def _after(
    record: ContainerRecord, *, code: int, at: float, oom_killed: bool, error: str | None, may_restart: bool
) -> ContainerRecord:
    """The record once its run has ended: stopped, or waiting for its restart. Pure."""
    ended = record.with_changes(
        status=states.STOPPED,
        pid=None,
        ports=(),
        exit_code=code,
        oom_killed=oom_killed,
        error=UNHEALTHY if error is None and record.unhealthy == record.run else error,
        finished_at=at,
        restart_at=None,
    )
    spec = record.spec
    if not may_restart or not restarts.wants_restart(
        spec.restart,
        spec.restart_limit,
        exit_code=code,
        restart_count=record.restart_count,
        stopped=record.desired == states.STOPPED,
        unhealthy=record.unhealthy == record.run,
    ):
        return ended
    delay = restarts.next_delay(record.restart_delay_seconds, at - (record.started_at or at))
    return ended.with_changes(status=states.RESTARTING, restart_delay_seconds=delay, restart_at=at + delay)
