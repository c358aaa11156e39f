"""Containers whose namespaces or mounts a request shares: found among the team's own, judged by how loose they are."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.db.models import Q

from engine.errors import InvalidArgument
from engine.options import modes
from engine.options.loosening import needing_a_right
from webui.containers.models import Container, DesiredStatus
from webui.containers.request import ContainerRequest, FieldErrors
from webui.hosts.models import Host
from worker.contract.commands import CreateContainer
from worker.contract.wire import ContractError, from_wire

_REACHES_THE_HOST = ("privileged", "userns", *modes.WORDS)


def sharing_resolve(*, host: Host, request: ContainerRequest) -> tuple[ContainerRequest, list[tuple[str, str]]]:
    """The request with `container:ID` for every `container:NAME`, and what of it needs the right to loosen.

    Names mean containers of the host's team alone: the host itself would find everybody's. Who shares namespaces with
    one that lives in the host's user namespace lives there too. Raises InvalidArgument with the fields.
    """
    errors = FieldErrors()
    changes: dict[str, Any] = {name: modes.usual(name, getattr(request, name)) for name in modes.WORDS}
    needs: list[tuple[str, str]] = []
    for kind, name in modes.targets(request).items():
        found = _find(host, name)
        if found is None:
            errors.check(False, kind, f"There is no container {name} of this team on the host {host.name}.")
            continue
        changes[kind] = f"{modes.CONTAINER}{found.pk}"
        if _is_loose(found):
            needs.append((kind, f"sharing with {found.name}, which is less isolated"))
    changes["volumes_from"] = _mounts_of_others(host, request, errors, needs)
    errors.raise_any()
    return replace(request, **changes), needs


def _mounts_of_others(
    host: Host, request: ContainerRequest, errors: FieldErrors, needs: list[tuple[str, str]]
) -> tuple[str, ...]:
    """`volumes_from` by id. Who may not mount the host's own files may not take them over either."""
    found = []
    for text in request.volumes_from:
        name, colon, mode = text.partition(":")
        other = _find(host, name) if name else None
        if other is None:
            errors.check(False, "volumes_from", f"There is no container {name} of this team on the host {host.name}.")
            continue
        if _has_files_of_the_host(other):
            needs.append(("volumes_from", f"mounts of {other.name}, which may be the host's own files"))
        found.append(f"{other.pk}{colon}{mode}")
    return tuple(found)


def _has_files_of_the_host(container: Container) -> bool:
    """Or it has mounts of a third one: what those are, its own request doesn't say."""
    try:
        wishes = from_wire(CreateContainer, container.spec)
        named = any(field in ("volumes", "mounts") for field, _ in needing_a_right(wishes))
        return named or bool(wishes.volumes_from)
    except (ContractError, InvalidArgument):  # as below
        return True


def _find(host: Host, name: str) -> Container | None:
    """By name, id, or the beginning of an id that only one has."""
    there = Container.objects.filter(host=host, team=host.team).exclude(desired_status=DesiredStatus.REMOVED)
    by_name = there.filter(name=name).first()
    if by_name is not None:
        return by_name
    found = list(there.filter(Q(pk__startswith=name.lower()))[:2])
    return found[0] if len(found) == 1 else None


def _is_loose(container: Container) -> bool:
    try:
        wishes = from_wire(CreateContainer, container.spec)
        return any(field in _REACHES_THE_HOST for field, _ in needing_a_right(wishes))
    except (ContractError, InvalidArgument):  # made by another version: nobody can tell
        return True
