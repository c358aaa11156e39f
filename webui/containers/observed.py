"""What a host says of its containers: the only writes to the observed columns.

A host's journal numbers its events. A container's row keeps the number it was last written from, and an
older number never overwrites a newer one, in whatever order events, replays and inventories arrive.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.db import IntegrityError, transaction

from engine.errors import Conflict
from engine.options.changing import CHANGEABLE
from webui.broadcast import change_publish
from webui.containers.models import Container, DesiredStatus, ObservedStatus, RemovedContainer
from webui.containers.telling import updated_publish
from webui.hosts.models import Host
from webui.jobs.models import Job, JobStatus
from webui.prepared import Prepared, acquainted
from webui.prepared_writes import PreparedInsert, PreparedRemoval, PreparedSave
from worker.contract.events import ContainerState
from worker.contract.wire import to_wire

_WHOLE = Container.objects.select_related("team", "host", "created_by")
_KEPT = ("team_id", "host_id", "name", "image", "exit_code", "created_at")
_ROW = Prepared(Container.objects.only(*_KEPT, "observed_seq"), "pk", "host_id")
_KEEP = PreparedInsert(RemovedContainer, unique=["id"], replaced=[*_KEPT, "removed_at"])
_REMOVE = PreparedRemoval(Container)
_HELD = Prepared(Container.objects.select_related("created_by").select_for_update(of=("self",)), "pk", "host_id")
_SAVE = PreparedSave(Container)
_STATUSES = frozenset(ObservedStatus.values)


@transaction.atomic(savepoint=False)
def container_apply_state(*, host: Host, seq: int, state: ContainerState) -> Container:
    """Take over what the host saw at `seq`. A container unknown here (made on the host) gets a row.

    Raises Conflict when the id belongs to another host's container.
    """
    container = _HELD.first(state.id, host.pk)
    is_new = container is None
    if container is None:
        container = _adopt(host, state)
    elif seq <= container.observed_seq:
        return container
    acquainted(container, host)
    container.observed_seq = seq
    changed = {name: value for name, value in _observed(state).items() if getattr(container, name) != value}
    for name, value in changed.items():
        setattr(container, name, value)
    _SAVE(container, ["observed_seq", *changed])
    if not is_new:
        changed |= _follow_host(container, state)
    if changed or is_new:
        updated_publish(container)
    return container


def _follow_host(container: Container, state: ContainerState) -> dict[str, Any]:
    """Take over what can be changed of a container that exists: its name, its limits. What was changed."""
    changed = {
        name: state.spec[name]
        for name in CHANGEABLE
        if name in state.spec and state.spec[name] != container.spec.get(name)
    }
    if changed:
        container.spec = {**container.spec, **changed}
        container.save(update_fields=["spec"])
    if state.name and state.name != container.name and _is_free(container, state.name):
        container.name = changed["name"] = state.name[:128]
        container.spec = {**container.spec, "name": state.name}
        container.save(update_fields=["name", "spec"])
    return changed


def _is_free(container: Container, name: str) -> bool:
    """Whether the row may be called so: someone may have asked here for the same name, which then fails on the host."""
    return not Container.objects.filter(host=container.host_id, name=name).exclude(pk=container.pk).exists()


def _observed(state: ContainerState) -> dict[str, Any]:
    return {
        "observed_status": state.status if state.status in _STATUSES else ObservedStatus.PENDING,
        "image_id": state.image_id or "",
        "pid": state.pid,
        "ip_address": state.ip_address or None,
        "observed_userns": state.userns[:8],
        "userns_problem": state.userns_problem,
        "apparmor_profile": state.apparmor_profile[:256],
        "health": to_wire(state.health),
        "networks_gone": to_wire(state.networks_gone),
        "on_default": state.on_default,
        "ports": to_wire(state.ports),
        "mounted": to_wire(state.mounts),
        "exit_code": state.exit_code,
        "oom_killed": state.oom_killed,
        "error": state.error or "",
        "restart_count": state.restart_count,
        "started_at": _moment(state.started_at),
        "finished_at": _moment(state.finished_at),
    }


def _adopt(host: Host, state: ContainerState) -> Container:
    """A row for a container that the site did not ask for; what it does now is taken for what is wanted."""
    if Container.objects.filter(pk=state.id).exists():
        raise Conflict(f"the host {host.name} reports the container {state.id}, which belongs to another host")
    stopped = state.status in (ObservedStatus.STOPPED, ObservedStatus.CREATED)
    row = {
        "id": state.id,
        "team": host.team,
        "host": host,
        "image": state.image[:512],
        "spec": dict(state.spec),
        "desired_status": DesiredStatus.STOPPED if stopped else DesiredStatus.RUNNING,
        "created_at": _moment(state.created_at) or datetime.now(UTC),
    }
    try:
        with transaction.atomic():
            return Container.objects.create(name=state.name[:128], **row)
    except IntegrityError:
        # Someone asked here for the same name a moment ago; that one will fail on the host and say why.
        return Container.objects.create(name=f"{state.name[:115]}-{state.id[:12]}", **row)


@transaction.atomic(savepoint=False)
def container_forget(*, host: Host, container_id: str, seq: int | None = None, log_kept: bool = False) -> None:
    """The container is gone from the host: delete its row, unless a newer number says that it is there.

    `log_kept`: its host has its log still, which then can be found.
    """
    container = _ROW.first(container_id, host.pk)
    if container is None or (seq is not None and seq <= container.observed_seq):
        return
    team_id = container.team_id
    if log_kept:
        kept = RemovedContainer(id=container_id, **{name: getattr(container, name) for name in _KEPT})
        _KEEP.all([kept])
    _REMOVE(container)
    change_publish(team_id=team_id, kind="container", action="removed", id=container_id, object=None)


def container_forget_log(*, host: Host, container_id: str) -> None:
    """Its host has not kept the log any longer."""
    RemovedContainer.objects.filter(pk=container_id, host=host).delete()


@transaction.atomic
def container_apply_inventory(*, host: Host, seq: int, states: list[ContainerState]) -> None:
    """`states` is all that the host has: take it over, and forget what it once had and has no more.

    A row that the host has never spoken of stays: its job may still be on the way.
    """
    for state in states:
        container_apply_state(host=host, seq=seq, state=state)
    present = {state.id for state in states}
    seen = Container.objects.filter(host=host, observed_seq__gt=0, observed_seq__lt=seq)
    for container_id in seen.values_list("pk", flat=True):
        if container_id not in present:
            container_forget(host=host, container_id=container_id, seq=seq)


@transaction.atomic(savepoint=False)
def container_job_finished(*, job: Job) -> None:
    """Draw the conclusions from a job's end that no event of the container itself brings.

    A create that failed leaves a row which says why, to be read and removed. A remove of something that the
    host does not have is done. A recreation that failed leaves none: what was to be replaced says why.
    """
    if not job.kind.startswith("container.") or job.status == JobStatus.QUEUED:
        return
    if job.kind == "container.remove":
        gone = job.status == JobStatus.SUCCEEDED or (job.error or {}).get("family") == "not_found"
        if gone:
            container_forget(host=job.host, container_id=job.subject)
            return
        _keep(job)
    elif job.status in (JobStatus.FAILED, JobStatus.CANCELLED):
        if job.kind == "container.recreate":
            _forget_unmade(job)
            _keep(job)
        _note_error(job)


def _forget_unmade(job: Job) -> None:
    """Of what the host has told of it tells the end as well."""
    container_id = str(job.command["container_id"])
    if Container.objects.filter(pk=container_id, host=job.host, observed_seq=0).exists():
        container_forget(host=job.host, container_id=container_id)


def _keep(job: Job) -> None:
    """A removal that failed is over: the container may be used again."""
    container = _of(job)
    if container is not None and container.desired_status == DesiredStatus.REMOVED:
        alive = container.observed_status in (ObservedStatus.RUNNING, ObservedStatus.PAUSED, ObservedStatus.RESTARTING)
        container.desired_status = DesiredStatus.RUNNING if alive else DesiredStatus.STOPPED
        container.error = (job.error or {}).get("message", "")
        container.save(update_fields=["desired_status", "error"])
        updated_publish(container)


def _note_error(job: Job) -> None:
    container = _of(job)
    if container is None or job.kind not in ("container.create", "container.start", "container.restart"):
        return
    fallback = "cancelled" if job.status == JobStatus.CANCELLED else "failed for an unknown reason"
    container.error = (job.error or {}).get("message") or f"The job was {fallback}."
    fields = ["error"]
    if job.kind == "container.create" and container.observed_status == ObservedStatus.PENDING:
        container.desired_status = DesiredStatus.STOPPED
        fields.append("desired_status")
    container.save(update_fields=fields)
    updated_publish(container)


def _of(job: Job) -> Container | None:
    return _WHOLE.filter(pk=job.subject, host=job.host).first()


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)
