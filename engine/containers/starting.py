"""Start: from record to running process, undone completely when any step fails.

    mark for the keeper ─► cgroup ─► runtime.create (namespaces, waits) ─► network into its namespace
      ─► published ports ─► record: running ─► runtime.start (exec) ─► event ─► wake the keeper

The record comes before exec, so that after a crash nothing that has run is taken for something that has not;
`unfinished` tells where a start was cut short.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading
import time

from engine.containers import (
    dependencies,
    devices,
    events,
    health,
    joining,
    limits,
    mounting,
    publishing,
    reaping,
    restarts,
    sharing,
    states,
)
from engine.containers.parts import Parts
from engine.containers.record import ContainerRecord
from engine.containers.spec import ContainerSpec
from engine.containers.undo import Undo
from engine.containers.unfinished import clear, settle_birth
from engine.errors import EngineError, ResourceExhausted, Unavailable
from engine.options import modes
from engine.options.admission import Admission

LOOK_SECONDS = 0.5
"""How often it is looked whether those run that a container waits for."""


def start(
    parts: Parts,
    container_id: str,
    request: str = "",
    *,
    again: bool = False,
    admission: Admission | None = None,
    cancel: threading.Event | None = None,
) -> ContainerRecord:
    """Start because a person asked: restart counters begin anew. A running container is left as it is.

    `request` names what was asked: the same one again starts nothing, even if the run that it began has ended.
    `again`: the second half of a restart. `admission`: which images may run now, and when the host starts this one
    again; None: those that might before. `cancel` breaks off what registries are asked for that, and nothing else.
    """
    admit(parts, container_id, admission, cancel)
    with parts.catalog.locked(container_id):
        record = settle_birth(parts, parts.catalog.get(container_id))
        if record.status == states.RUNNING:
            return _announce_again(parts, record)
        if is_done(record, request):
            return record
        states.require("start", record.status, record.name)
        record = joining.rejoin(parts, record)
        counted = record.with_changes(restart_count=0, restart_delay_seconds=0.0, desired=states.RUNNING)
        if admission is not None:
            counted = counted.with_changes(signed_by=dict(admission.signed_by))
        return launch(parts, counted, again=again, request=request)


def admit(parts: Parts, container_id: str, admission: Admission | None, cancel: threading.Event | None = None) -> None:
    """Raises PermissionDenied for an image that may not run, Unavailable if nobody can tell, Cancelled.

    It asks registries before the container is locked for a start, which then finds here what they have.
    """
    if admission is not None and admission.signed_by:
        for image_id, name in parts.catalog.get(container_id).images:
            parts.images().admit(image_id, admission, name=name, cancel=cancel)


def is_done(record: ContainerRecord, request: str) -> bool:
    """Whether this request has started the container before, and nobody else has since."""
    return bool(request) and record.asked_by == request


def restart_by_policy(parts: Parts, container_id: str, run: int) -> ContainerRecord:
    """Start again what died in `run`, unless a person has changed its fate meanwhile. For the keeper.

    What can't be had at the moment is tried again later, after a longer wait.
    """
    with parts.catalog.locked(container_id):
        record = settle_birth(parts, parts.catalog.get(container_id))
        if record.status == states.RUNNING and record.run > run:
            events.tell(parts, record)  # whoever started it may have died before it could say so
            return record
        if record.status != states.RESTARTING or record.run < run:
            return record
        if not record.awaits:
            return launch(parts, record.with_changes(restart_count=record.restart_count + 1), by_policy=True)
        why = dependencies.blocker(parts, record)
        return launch(parts, record, by_policy=True) if why is None else _wait_on(parts, record, why)


def await_dependencies(parts: Parts, container_id: str) -> str | None:
    """After a boot: leave a container to the keeper when it has to wait for others, and say why. Else None."""
    with parts.catalog.locked(container_id):
        record = parts.catalog.get(container_id)
        why = dependencies.blocker(parts, record)
        if why is None or record.status not in (states.CREATED, states.STOPPED, states.RESTARTING):
            return None
        parts.catalog.mark_live(container_id)
        counters = {"restart_count": 0, "restart_delay_seconds": 0.0}
        _wait_on(parts, record.with_changes(desired=states.RUNNING, awaits=True, **counters), why)
    reaping.wake_keeper(parts, container_id)
    return why


def _wait_on(parts: Parts, record: ContainerRecord, why: str) -> ContainerRecord:
    """Look again in a moment; an event tells when there is another reason."""
    waiting = record.with_changes(status=states.RESTARTING, restart_at=time.time() + LOOK_SECONDS, error=why)
    if (record.status, record.error) == (waiting.status, why):
        parts.catalog.save(waiting)
        return waiting
    return events.change(parts, waiting, events.of(events.RESTARTING))


def launch(
    parts: Parts, record: ContainerRecord, *, by_policy: bool = False, again: bool = False, request: str = ""
) -> ContainerRecord:
    """Start the next run of a container whose lock the caller holds; raises what failed, with nothing left behind.

    `by_policy` answers what is `Unavailable` with a record that waits for another try.
    """
    run = record.run + 1
    try:
        with parts.catalog.growing():
            record = _launch(parts, record, run, record.asked_by if by_policy else request, again=again)
    except (EngineError, OSError) as error:
        explained = error if isinstance(error, EngineError) else _explained(error, record)
        record = record.with_changes(run=run)
        if by_policy and isinstance(explained, Unavailable):
            return _try_later(parts, record, explained)
        _note_failure(parts, record, explained)
        raise explained from error
    reaping.wake_keeper(parts, record.id)
    return record


def _explained(error: OSError, record: ContainerRecord) -> EngineError:
    family = (
        ResourceExhausted if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.ENOMEM, errno.EAGAIN) else Unavailable
    )
    return family(f"container {record.name} could not be started: {error}; free what is short, or try again")


def _launch(parts: Parts, record: ContainerRecord, run: int, request: str, *, again: bool) -> ContainerRecord:
    directory = parts.catalog.directory(record.id)
    before = parts.catalog.get(record.id)
    events.tell(parts, before)
    if record.signed_by:  # as far as is known here: nobody waits for a registry while the container is locked
        wanted = Admission(signed_by=record.signed_by)
        for image_id, name in record.images:
            parts.images().admit(image_id, wanted, name=name, asks_registries=False)
    sharing.require_running(parts, record)
    joining.require_networks(record)
    mounting.make_ready(parts, record.mounts)
    if record.id in parts.catalog.live_ids():
        clear(parts, record.id)
    forget_run(directory, run)
    with Undo() as undo:
        undo.add(parts.catalog.unmark_live, record.id)
        parts.catalog.mark_live(record.id)
        overlay = parts.snapshots.overlay(record.id)
        undo.add(parts.cgroups.remove, record.id)
        _limit(parts, record.spec)
        undo.add(parts.runtime.abort, directory)
        with parts.snapshots.room_to_mount(record.id) if record.spec.storage_opt else contextlib.nullcontext():
            created = parts.runtime.create(directory, run, overlay, mounting.layers(parts, record.mounts))
        undo.add(parts.network.unpublish, record.id)
        endpoint = parts.network.attach(record.id, created.pid) if joining.is_on_default(parts, record) else None
        joined = joining.join(parts, record, created.pid) if modes.has_network(record.spec) else ()
        published = publishing.publish(parts, record)
        started = record.with_changes(
            run=run,
            status=states.RUNNING,
            desired=states.RUNNING,
            stopping=None,
            pid=created.pid,
            userns=created.userns,
            userns_problem=created.userns_problem,
            apparmor_profile=created.apparmor_profile,
            ip_address=joining.address(endpoint, joined),
            networks=joining.told(joined),
            ports=published,
            exit_code=None,
            oom_killed=False,
            error=None,
            started_at=time.time(),
            finished_at=None,
            restart_at=None,
            awaits=False,
            before=before.for_take_back(),
            health=None if record.healthcheck is None else health.begin(directory, run),
            unhealthy=None,
            asked_by=request,
        )
        told = [
            *events.of_volumes("mount", started),
            *events.of_network("connect", started),
            events.of(events.STARTED),
        ]
        started = events.prepared(started, *told, *([events.of(events.RESTARTED)] if again else []))
        parts.catalog.save(started)
        parts.runtime.start(directory)
        events.tell(parts, started)
    return started


def _limit(parts: Parts, spec: ContainerSpec) -> None:
    parts.cgroups.create(spec.id, limits.resources(spec))
    if parts.cgroups.version == "v2" and limits.needs_device_list(spec):
        devices.restrict(parts.cgroups.directories(spec.id)["unified"], limits.resources(spec).device_rules)


def _announce_again(parts: Parts, record: ContainerRecord) -> ContainerRecord:
    """The start was done before; whoever did it may have died between record and event, or before the keeper knew."""
    events.tell(parts, record)
    parts.catalog.mark_live(record.id)
    reaping.wake_keeper(parts, record.id)
    return record


def _note_failure(parts: Parts, record: ContainerRecord, error: EngineError) -> None:
    """The container keeps why it didn't start."""
    code = error.detail.get("exit_code")
    failed = record.with_changes(
        status=states.CREATED if record.started_at is None else states.STOPPED,
        desired=states.STOPPED,
        pid=None,
        ports=(),
        exit_code=code if isinstance(code, int) else 128,
        oom_killed=False,
        error=error.message,
        finished_at=time.time(),
        restart_at=None,
        awaits=False,
    )
    events.instead(parts, failed, events.of(events.DIED))


def _try_later(parts: Parts, record: ContainerRecord, error: EngineError) -> ContainerRecord:
    delay = restarts.next_delay(record.restart_delay_seconds, 0)
    waiting = record.with_changes(
        status=states.RESTARTING,
        restart_count=max(0, record.restart_count - 1),
        awaits=False,
        restart_delay_seconds=delay,
        restart_at=time.time() + delay,
        error=error.message,
    )
    parts.catalog.mark_live(record.id)
    return events.instead(parts, waiting, events.of(events.RESTARTING))


def forget_run(directory: os.PathLike[str], run: int) -> None:
    """An attempt that failed used the same number; its end must not be taken for this one's.

    The end of the run before the last is of no use any more: what restarts for ever must not leave a file each time.
    """
    for name in (f"exit.{run}", f"exit.{run - 2}", f"exit.{run - 1}.new"):  # the last: its end was told by another
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(directory, name))
