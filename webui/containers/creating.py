"""Creating: what a person asks for is checked, becomes a row, and a job for its host."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from django.db import IntegrityError, transaction

from engine.errors import AlreadyExists
from webui.accounts.models import User
from webui.accounts.roles import require_on
from webui.broadcast import gathered
from webui.containers.models import Container, DesiredStatus
from webui.containers.names import friendly_name
from webui.containers.network_choice import networks_check
from webui.containers.policing import Held, policed
from webui.containers.publishing import addresses_check, ports_at_default, publishing_check
from webui.containers.request import IMAGE_ID, ContainerRequest, request_check, with_files
from webui.containers.sharing import sharing_resolve
from webui.containers.telling import updated_publish
from webui.hosts.models import Host
from webui.images.credentials import command_secrets
from webui.jobs.models import Job
from webui.jobs.services import job_create
from webui.prepared import Prepared
from webui.prepared_writes import PreparedInsert
from worker.contract import commands

_NOT_KEPT = ("kind", "signed_by", "allowed_images", "replaces", "renew_volumes")
"""What the policy said at the time, or what it came in place of, is no option of the container."""
_NEW = PreparedInsert(Container)
_CALLED = Prepared(Container.objects.order_by().values_list("pk"), "host_id", "name", limit=1)
OPTION_NAMES = tuple(field.name for field in fields(commands.ContainerOptions))


@dataclass(frozen=True, slots=True)
class Checked:
    """A request that may be sent to a host: `image` by its canonical name, `ports` one by one."""

    request: ContainerRequest
    image: str
    ports: tuple[commands.PortMapping, ...]
    held: Held


@gathered()
@transaction.atomic
def container_create(
    *, user: User, host: Host, image: str, start: bool = True, attached: Sequence[str] | None = None, **wishes: Any
) -> tuple[Container, Job]:
    """Record a container and ask `host` to create it (pulling its image if missing) and to start it.

    `attached`: see `Container`; it changes nothing. `wishes` are the other fields of `ContainerRequest`; `user` is who
    asks, `run_as` whom the process runs as. Raises PermissionDenied, InvalidArgument with field errors, AlreadyExists
    with the field `name`.
    """
    checked = creation_check(user=user, host=host, image=image, **wishes)
    name = checked.request.name or friendly_name(lambda candidate: bool(_CALLED.rows(host.pk, candidate)))
    command = commands.CreateContainer(**command_fields(checked, name=name, start=start))
    wire = commands.encode_command(command)
    container = row_create(user=user, host=host, name=name, image=image, wire=wire, attached=attached)
    job = job_create(
        team=host.team,
        host=host,
        requested_by=user,
        command=command,
        wire=wire,
        subject=container.pk,
        subject_name=name,
        secrets=command_secrets(host.team, commands.kind_of(command), wire),
    )
    updated_publish(container)
    return container, job


def creation_check(*, user: User, host: Host, image: str, replaces: bool = False, **wishes: Any) -> Checked:
    """Hold a request against rights, rules and policies; one that `replaces` a container counts in no quota of them.

    Raises as `container_create`, but for the name.
    """
    require_on(user, "containers.create", host)
    request = with_files(ContainerRequest(image=image, **wishes))
    request = replace(
        request,
        ports=ports_at_default(host.team, request.ports),
        publish_address=request.publish_address or (host.team.publish_default if request.publish_all else None),
    )
    canonical, ports = request_check(request)
    networks_check(host=host, request=request)
    request, needed = sharing_resolve(host=host, request=request)
    held = policed(user=user, host=host, request=request, image=canonical, needed=needed, replaces=replaces)
    publishing_check(user, host.team, request.ports, host=host)
    if request.publish_address is not None:
        addresses_check(user, host.team, {"publish_address": request.publish_address}, host=host)
    return Checked(request, canonical, ports, held)


def row_create(
    *,
    user: User,
    host: Host,
    name: str,
    image: str,
    wire: dict[str, Any],
    attached: Sequence[str] | None = None,
) -> Container:
    """The row of a container that is asked for by `wire`, called `name`. Raises AlreadyExists with that field."""
    canonical = wire["image"]
    try:
        return _NEW.create(
            id=wire["container_id"],
            team=host.team,
            host=host,
            created_by=user,
            name=name,
            image=canonical if IMAGE_ID.fullmatch(canonical) else image.strip(),
            spec={name: value for name, value in wire.items() if name not in _NOT_KEPT},
            attached=None if attached is None else list(attached),
            desired_status=DesiredStatus.RUNNING if wire["start"] else DesiredStatus.STOPPED,
        )
    except IntegrityError as error:
        raise name_taken(host, name) from error


def name_taken(host: Host, name: str) -> AlreadyExists:
    """The error for a name that another container of the host has."""
    message = f"A container named {name} is already on the host {host.name}: choose another name or remove it."
    return AlreadyExists(message, {"fields": {"name": [message]}})


def command_fields(checked: Checked, *, name: str, start: bool) -> dict[str, Any]:
    """The fields of `commands.CreateContainer`, with an id of its own."""
    request, held = checked.request, checked.held
    return {
        "bind_roots": held.bind_roots,
        "signed_by": held.signed_by,
        "allowed_images": held.allowed_images,
        "container_id": secrets.token_hex(32),
        "name": name,
        "image": checked.image,
        "command": tuple(request.command),
        "entrypoint": None if request.entrypoint is None else tuple(request.entrypoint),
        "env": dict(request.env),
        "labels": dict(request.labels),
        "ports": checked.ports,
        "user": request.run_as,
        "workdir": request.workdir,
        "hostname": request.hostname,
        "memory_bytes": request.memory_bytes,
        "cpus": request.cpus,
        "pids_limit": request.pids_limit,
        "restart": request.restart,
        "restart_limit": request.restart_limit,
        "start": start,
        **{name: _frozen(getattr(request, name)) for name in OPTION_NAMES},
    }


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
