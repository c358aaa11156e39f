"""Writes what a host has said to the database, each numbered event exactly once."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError, transaction

from webui.activity.health import health_record
from webui.activity.recording import events_record
from webui.broadcast import gathered
from webui.containers import services as containers
from webui.hosts import services as hosts
from webui.hosts.models import Host
from webui.images import services as images
from webui.inbox.batch import condensed, in_turn
from webui.jobs import services as jobs
from webui.jobs.models import Job
from webui.networks import services as networks
from webui.prepared import Prepared, acquainted
from webui.prepared_writes import PreparedUpdate
from webui.volumes import services as volumes
from worker.contract import events
from worker.contract.events import ContainerState, Event, HostFacts, ImageState, NetworkState, VolumeState
from worker.contract.wire import from_wire

logger = logging.getLogger(__name__)

_HOST = Prepared(Host.objects.select_for_update(of=("self",)).select_related("team"), "pk")
_APPLIED = PreparedUpdate(Host.objects.order_by(), "pk", changed=["last_event_seq"])
_JOBS = Prepared(Job.objects.order_by().select_related("requested_by"), "pk")

# The database's own troubles: the batch is not at fault and must be tried again.
DATABASE_TROUBLE = (OperationalError, InterfaceError)


Apply = Callable[[Host, Sequence[Event], "dict[UUID, Job]", "Applied"], None]


@dataclass(slots=True)
class Applied:
    """What became of one host's part of a batch: how far it is applied, and what the caller must see to."""

    last_seq: int = 0
    gap: bool = False
    registered: bool = False
    heartbeats: list[HostFacts] = field(default_factory=list)


def host_apply(host_id: str, batch: Sequence[Event]) -> Applied:
    """Apply the events of one host in one transaction. Raises DATABASE_TROUBLE, having changed nothing."""
    try:
        return _apply_all(host_id, batch, _apply)
    except DATABASE_TROUBLE:
        raise
    except Exception:
        # Something can't be applied, which is rare: all of it is undone, and begun anew with a savepoint around each
        # part, so that it is the only one that is passed over.
        logger.info("%d events of host %.64s are applied one by one", len(batch), host_id, exc_info=True)
        return _apply_all(host_id, batch, _apply_safely)


def _apply_all(host_id: str, batch: Sequence[Event], apply: Apply) -> Applied:
    with gathered(), transaction.atomic():
        host = _host(host_id) or _introduced(host_id, batch)
        if host is None:
            return Applied(gap=True)
        sequence = in_turn(batch, host.last_event_seq)
        applied = Applied(last_seq=sequence.last_seq, gap=sequence.gap)
        events_record(host=host, events=sequence.events)  # before a removal takes the row that tells the team
        known = _jobs(host, sequence.events)
        for group in condensed(sequence.events):
            apply(host, group, known, applied)
        health_record(host=host, events=sequence.events)
        if sequence.last_seq != host.last_event_seq:
            _APPLIED(host_id, sequence.last_seq)
    return applied


def _host(host_id: str) -> Host | None:
    return _HOST.first(host_id)


def _introduced(host_id: str, batch: Iterable[Event]) -> Host | None:
    """The row of a host that this site has not met, from the first event that says what it is."""
    for event in batch:
        if event.kind in (events.HOST_REGISTERED, events.HOST_HEARTBEAT):
            hosts.host_register(host_id=host_id, facts=from_wire(HostFacts, event.attributes), at=event.at)
            return _host(host_id)
    return None


def _jobs(host: Host, batch: Iterable[Event]) -> dict[UUID, Job]:
    ids = set()
    for event in batch:
        if event.kind.startswith("job."):
            with contextlib.suppress(ValueError):  # applying it will say so
                ids.add(UUID(event.subject))
    return {job.pk: acquainted(job, host) for job in _JOBS.any_of(ids)}


def _apply(host: Host, group: Sequence[Event], known: dict[UUID, Job], applied: Applied) -> None:
    event = group[-1]
    if event.kind.startswith("job."):
        _apply_job(host, group, known)
    else:
        _apply_state(host, event, applied)


def _apply_safely(host: Host, group: Sequence[Event], known: dict[UUID, Job], applied: Applied) -> None:
    """Apply one group; an event that can't be applied is logged and passed over, and never stops the inbox."""
    event = group[-1]
    try:
        with transaction.atomic():
            _apply(host, group, known, applied)
    except DATABASE_TROUBLE:
        raise
    except Exception:
        logger.exception("%s number %s of host %s can't be applied and is skipped", event.kind, event.seq, host.pk)


def _apply_job(host: Host, group: Sequence[Event], known: dict[UUID, Job]) -> None:
    job = known.get(UUID(group[0].subject))
    if job is None:
        return  # deleted here, or of another site's time
    if job.host_id != host.pk:
        logger.warning("host %s tells of job %s, which is another host's", host.pk, job.pk)
        return
    change: dict[str, Any] = {}
    for event in group:
        if event.kind == events.JOB_STARTED:
            change.setdefault("started_at", _moment(event.at))
        elif event.kind == events.JOB_PROGRESS:
            change["progress"] = event.attributes
        elif event.kind == events.JOB_FINISHED:
            change.setdefault("finished", {**event.attributes, "at": _moment(event.at)})
    if jobs.job_apply(job=job, **change):
        jobs.job_broadcast(job)


def _apply_state(host: Host, event: Event, applied: Applied) -> None:
    kind, attributes = event.kind, event.attributes
    if kind.startswith("host."):
        _apply_host(host, event, applied)
    elif kind == events.CONTAINER_REMOVED:
        log_kept = attributes.get("log_kept") is True
        containers.container_forget(host=host, container_id=event.subject, seq=event.seq, log_kept=log_kept)
    elif kind == events.LOG_REMOVED:
        containers.container_forget_log(host=host, container_id=event.subject)
    elif kind.startswith("container."):
        state = from_wire(ContainerState, attributes)
        containers.container_apply_state(host=host, seq=event.seq or 0, state=state)
        networks.endpoints_apply(host=host, joined={state.id: state.networks})
    elif kind == events.IMAGE_REMOVED:
        images.image_forget(host=host, image_id=event.subject)
    elif kind.startswith("image."):
        images.image_apply_state(host=host, team=host.team, state=from_wire(ImageState, attributes))
    elif kind == events.VOLUME_REMOVED:
        volumes.volume_forget(host=host, name=event.subject)
    elif kind.startswith("volume."):
        if kind == events.VOLUME_RENAMED:
            volumes.volume_rename(host=host, old_name=str(attributes["old_name"]), name=event.subject)
        volumes.volume_apply_state(host=host, team=host.team, state=from_wire(VolumeState, attributes))
    elif kind == events.NETWORK_REMOVED:
        networks.network_forget(host=host, network_id=event.subject)
    elif kind.startswith("network."):
        networks.network_apply_state(host=host, team=host.team, state=from_wire(NetworkState, attributes))
    elif kind.partition(".")[0] not in ("exec", "health", "action"):  # they change nothing kept
        _warn_unknown(host, kind)


def _apply_host(host: Host, event: Event, applied: Applied) -> None:
    kind, attributes = event.kind, event.attributes
    if kind == events.HOST_REGISTERED:
        hosts.host_register(host_id=host.pk, facts=from_wire(HostFacts, attributes), at=event.at)
        applied.registered = True
    elif kind == events.HOST_HEARTBEAT:
        facts = from_wire(HostFacts, attributes)
        hosts.host_heartbeat(host_id=host.pk, facts=facts, at=event.at)
        applied.heartbeats.append(facts)
    elif kind == events.HOST_STOPPED:
        hosts.host_stopped(host_id=host.pk, at=event.at)
    elif kind == events.HOST_INVENTORY:
        _apply_inventory(host, event)
    else:
        _warn_unknown(host, kind)


def _warn_unknown(host: Host, kind: str) -> None:
    logger.warning("unknown event %s of host %s: is this site older than the worker?", kind, host.pk)


def _apply_inventory(host: Host, event: Event) -> None:
    found = [from_wire(ContainerState, state) for state in event.attributes.get("containers", ())]
    containers.container_apply_inventory(host=host, seq=event.seq or 0, states=found)
    images.image_apply_inventory(
        host=host,
        team=host.team,
        states=[from_wire(ImageState, state) for state in event.attributes.get("images", ())],
    )
    volumes.volume_apply_inventory(
        host=host,
        team=host.team,
        states=[from_wire(VolumeState, state) for state in event.attributes.get("volumes", ())],
    )
    networks.network_apply_inventory(
        host=host,
        team=host.team,
        states=[from_wire(NetworkState, state) for state in event.attributes.get("networks", ())],
    )
    networks.endpoints_apply(host=host, joined={state.id: state.networks for state in found})


def _moment(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
