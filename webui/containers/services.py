"""Writes that people ask for: each checks the right, notes what is desired and sends one job to the host."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import transaction

from engine.errors import AlreadyExists, Conflict, InvalidArgument, NotFound
from engine.oci import signals
from engine.options.changing import CHANGEABLE
from webui.accounts.models import Team, User
from webui.accounts.roles import actions_of, require_on
from webui.broadcast import gathered
from webui.containers.creating import container_create
from webui.containers.models import Container, ContainerQuerySet, DesiredStatus, ObservedStatus
from webui.containers.observed import (
    container_apply_inventory,
    container_apply_state,
    container_forget,
    container_forget_log,
    container_job_finished,
)
from webui.containers.policing import changes_policed
from webui.containers.publishing import ports_at_default, publishing_check
from webui.containers.request import NAME, NAME_RULE, changes_check, ports_spread
from webui.containers.telling import updated_publish
from webui.images.credentials import command_secrets
from webui.jobs.models import Job
from webui.jobs.services import job_create
from webui.policies.checks import signers_of
from webui.prepared import Prepared, acquainted
from webui.prepared_writes import PreparedSave
from worker.contract import commands

__all__ = [
    "container_apply_inventory",
    "container_apply_state",
    "container_ask",
    "container_create",
    "container_forget",
    "container_forget_log",
    "container_job_finished",
    "container_kill",
    "container_pause",
    "container_remove",
    "container_rename",
    "container_restart",
    "container_seen",
    "container_signal",
    "container_start",
    "container_stop",
    "container_unpause",
    "container_update",
]

SIGNAL_LENGTH = 40
"""No signal's name is that long."""
TIMEOUT_MAXIMUM = 3600.0
_WHOLE = Container.objects.select_related("team", "host", "created_by")
_BY_ID = Prepared(_WHOLE, "pk")
_LOCKED = Prepared(Container.objects.select_for_update(of=("self",)), "pk")
_SAVE = PreparedSave(Container)


def container_seen(*, user: User, container_id: str) -> Container | None:
    """The container of this id, whole, if `user` may see it: the one row of what `visible_to` would give."""
    found = _BY_ID.first(container_id)
    seen = found is not None and ContainerQuerySet.view_action in actions_of(user, found.team, host=found.host_id)
    return found if seen else None


def container_start(*, user: User, container: Container) -> Job:
    command = commands.StartContainer(container_id=container.pk, signed_by=_signers(user, container))
    return container_ask(user, container, command, desired=DesiredStatus.RUNNING)


def container_stop(
    *, user: User, container: Container, timeout_seconds: float | None = None, signal: str | None = None
) -> Job:
    """Signal, wait, kill. Raises InvalidArgument with the field `timeout_seconds` or `signal`."""
    _check_timeout(timeout_seconds)
    command = commands.StopContainer(
        container_id=container.pk, timeout_seconds=timeout_seconds, signal=_signal(signal) if signal else None
    )
    return container_ask(user, container, command, desired=DesiredStatus.STOPPED)


def container_kill(*, user: User, container: Container, signal: str = "SIGKILL") -> Job:
    """Send one signal. Only SIGKILL says that the container should be stopped: others may be mere news to it."""
    name = _signal(signal)
    desired = DesiredStatus.STOPPED if name in ("SIGKILL", "9") else None
    return container_ask(
        user, container, commands.KillContainer(container_id=container.pk, signal=name), desired=desired
    )


def container_signal(
    *, user: User, container: Container, host_pid: int, started_at: float, signal: str = "SIGTERM"
) -> Job:
    """Send a signal to one of its processes, which the host has told of (`top`). What is wished for stays as it is."""
    command = commands.SignalProcess(
        container_id=container.pk, host_pid=host_pid, started_at=started_at, signal=_signal(signal)
    )
    return container_ask(user, container, command)


def container_restart(*, user: User, container: Container, timeout_seconds: float | None = None) -> Job:
    _check_timeout(timeout_seconds)
    command = commands.RestartContainer(
        container_id=container.pk, timeout_seconds=timeout_seconds, signed_by=_signers(user, container)
    )
    return container_ask(user, container, command, desired=DesiredStatus.RUNNING)


def container_pause(*, user: User, container: Container) -> Job:
    return container_ask(user, container, commands.PauseContainer(container_id=container.pk))


def container_unpause(*, user: User, container: Container) -> Job:
    return container_ask(user, container, commands.UnpauseContainer(container_id=container.pk))


def container_update(*, user: User, container: Container, **changes: Any) -> Job:
    """Ask for other limits, labels, ports or another restart policy: fields of `CHANGEABLE` and `IN_PART`.

    None is no limit. Raises InvalidArgument with the field errors. The row has them when the host says so.
    """
    require_on(user, "containers.update", container)
    if not changes:
        raise InvalidArgument(f"nothing is to be changed: give at least one of {', '.join(CHANGEABLE)}")
    for field in ("ports", "add_ports"):
        if changes.get(field):
            changes[field] = ports_spread(ports_at_default(container.team, changes[field]), field)
    changes_check(container.spec, changes)
    for field in ("ports", "add_ports"):
        had = [*(container.spec.get("ports") or ()), *container.ports]
        ports = changes.get(field) or ()
        publishing_check(user, container.team, ports, host=container.host_id, field=field, had=had)
    changes_policed(user, container, changes)
    command = commands.UpdateContainer(container_id=container.pk, changes=changes)
    return container_ask(user, container, command, action="containers.update")


def container_rename(*, user: User, container: Container, name: str) -> Job:
    """Ask for another name; the row has it when the host says so.

    Raises InvalidArgument and AlreadyExists with the field `name`.
    """
    require_on(user, "containers.update", container)
    if not NAME.fullmatch(name):
        raise InvalidArgument(NAME_RULE, {"fields": {"name": [NAME_RULE]}})
    if Container.objects.filter(host=container.host_id, name=name).exclude(pk=container.pk).exists():
        message = f"A container named {name} is already on the host {container.host.name}: choose another name."
        raise AlreadyExists(message, {"fields": {"name": [message]}})
    command = commands.RenameContainer(container_id=container.pk, name=name)
    return container_ask(user, container, command, action="containers.update")


def container_remove(
    *,
    user: User,
    container: Container,
    force: bool = False,
    volumes: bool = False,
    stop: bool = False,
    timeout_seconds: float | None = None,
) -> Job:
    """Ask for the removal; the row goes when the host says that the container is gone.

    `stop`: one that runs is stopped before, as by `container_stop` with `timeout_seconds`; `force`: it is killed.
    `volumes`: those without a name go with it, unless another container has them.

    Raises Conflict for a running container without `stop` and `force`.
    """
    require_on(user, "containers.remove", container)
    _check_timeout(timeout_seconds)
    alive = (ObservedStatus.RUNNING, ObservedStatus.PAUSED, ObservedStatus.RESTARTING)
    if not (force or stop) and container.observed_status in alive:
        raise Conflict(
            f"the container {container.name} is {container.observed_status}: stop it first (or with the removal: "
            "stop=true), or remove it by force"
        )
    command = commands.RemoveContainer(
        container_id=container.pk, force=force, volumes=volumes, stop=stop, timeout_seconds=timeout_seconds
    )
    return container_ask(user, container, command, desired=DesiredStatus.REMOVED, action="containers.remove")


@gathered()
@transaction.atomic
def container_ask(
    user: User,
    container: Container,
    command: commands.Command,
    *,
    desired: DesiredStatus | None = None,
    action: str = "containers.operate",
) -> Job:
    """Note what is desired and send `command` to the host, if `user` may do `action`. What each verb here ends with."""
    require_on(user, action, container)
    # What was read before this transaction may be history: somebody else may have asked for its removal since.
    container = acquainted(_LOCKED.first(container.pk) or _gone(container), container, user)
    if container.desired_status == DesiredStatus.REMOVED and desired != DesiredStatus.REMOVED:
        if not isinstance(command, commands.KillContainer):  # it may be stopping yet
            raise Conflict(f"the container {container.name} is being removed: nothing else can be done with it")
        desired = None
    if desired is not None and desired != container.desired_status:
        container.desired_status = desired
        _SAVE(container, ["desired_status"])
        updated_publish(container)
    return job_create(
        team=container.team,
        host=container.host,
        requested_by=user,
        command=command,
        subject=container.pk,
        subject_name=container.name,
        secrets=_secrets(container.team, command),
    )


def _signers(user: User, container: Container) -> dict[str, str]:
    require_on(user, "containers.operate", container)
    return signers_of(user, container.team, host=container.host_id)


def _secrets(team: Team, command: commands.Command) -> dict[str, Any] | None:
    return command_secrets(team, commands.kind_of(command), commands.encode_command(command))


def _gone(container: Container) -> NoReturn:
    raise NotFound(f"the container {container.name} has just been removed: nothing is left to be done with it")


def _check_timeout(seconds: float | None) -> None:
    if seconds is not None and not 0 <= seconds <= TIMEOUT_MAXIMUM:
        message = f"Give 0 to {TIMEOUT_MAXIMUM:.0f} seconds."
        raise InvalidArgument(message, {"fields": {"timeout_seconds": [message]}})


def _signal(text: str) -> str:
    """SIGTERM, TERM, term or 15 to what the contract carries. Raises InvalidArgument for what no host has."""
    name = text.strip().upper()
    try:
        signals.parse(name[:SIGNAL_LENGTH])
    except InvalidArgument:
        message = f"{text[:40]!r} is not a signal: give a name such as SIGTERM, or a number from 1 to 64."
        raise InvalidArgument(message, {"fields": {"signal": [message]}}) from None
    return name if name.isdigit() or name.startswith("SIG") else f"SIG{name}"
