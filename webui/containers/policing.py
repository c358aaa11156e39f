"""A request for a container, held against its team's policy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from engine.errors import PermissionDenied
from engine.options import mounts
from engine.options.changing import merged
from engine.options.loosening import needing_a_right
from webui.accounts.models import User
from webui.accounts.roles import LOOSEN, actions_of, require_loosening
from webui.containers.models import Container
from webui.containers.request import ContainerRequest
from webui.hosts.models import Host
from webui.policies.allowing import lent_paths, without_allowed
from webui.policies.checks import (
    disk_check,
    image_check,
    images_allowed,
    limits_check,
    ports_check,
    quota_check,
    signers_of,
    volumes_check,
)
from webui.policies.reading import policy_of

_LIMITED = {"memory_bytes", "cpus", "pids_limit", "cpu_quota", "cpu_period"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What the host has to hold a container to: fields of `CreateContainer`. Empty: nothing, as for who may loosen."""

    bind_roots: tuple[str, ...] = ()
    signed_by: Mapping[str, str] = field(default_factory=dict)
    allowed_images: tuple[str, ...] = ()


def policed(
    *,
    user: User,
    host: Host,
    request: ContainerRequest,
    image: str,
    needed: Sequence[tuple[str, str]] = (),
    replaces: bool = False,
) -> Held:
    """What is left for the host to see to. `needed`: what else needs the right to loosen; `replaces`: another one goes.

    Raises PermissionDenied that says which right or which policy, ResourceExhausted for a quota that is used up.
    """
    team, policy = host.team, policy_of(host.team)
    quota_check(team, "containers", wanted=0 if replaces else 1, policy=policy)
    volumes_check(team, host, request.volumes, request.mounts, policy=policy)
    disk_check(team, policy=policy)
    if LOOSEN in actions_of(user, team, host=host):
        return Held()
    left = without_allowed(policy, request)
    require_loosening(user, team, [*needing_a_right(left), *needed], host=host)
    image_check(user, team, image, host=host, field="image", policy=policy)
    for mounted in mounts.images(request.mounts):
        image_check(user, team, mounted, host=host, field="mounts", policy=policy)
    limits_check(user, team, limits_of(request), host=host, policy=policy)
    ports_check(user, team, request.ports, host=host, policy=policy)
    if request.publish_all and policy.port_ranges:
        message = "The team's policy names ports of the host: publish them one by one."
        raise PermissionDenied(message, {"action": "policy.port_ranges", "fields": {"publish_all": [message]}})
    return Held(
        bind_roots=tuple(policy.bind_paths) if lent_paths(policy, request) else (),
        signed_by=signers_of(user, team, host=host, policy=policy),
        allowed_images=images_allowed(user, team, host=host, policy=policy),
    )


def exec_policed(user: User, container: Container, *, privileged: bool) -> None:
    """Raises PermissionDenied for a privileged process in a container that is not privileged itself.

    It has every capability, also where the container lives in the host's user namespace, as in its network: who may
    open a terminal there may not have the host by that. A policy that lends privileged containers lends these too.
    """
    if not privileged or container.spec.get("privileged") or policy_of(container.team).privileged:
        return
    require_loosening(user, container.team, [("privileged", "a privileged process")], host=container.host_id)


def limits_of(request: Any) -> dict[str, Any]:
    """What of it a policy looks at; a quota and a period of processor time are a number of processors."""
    cpus = request.cpus
    if cpus is None and request.cpu_quota and request.cpu_quota > 0:
        cpus = request.cpu_quota / (request.cpu_period or 100_000)
    return {"memory_bytes": request.memory_bytes, "cpus": cpus, "pids_limit": request.pids_limit}


def changes_policed(user: User, container: Container, changes: Mapping[str, Any]) -> None:
    """Raises PermissionDenied when what becomes of the container's limits and ports is against the policy."""
    team, host = container.team, container.host_id
    policy = policy_of(team)
    if _LIMITED & set(changes):
        limits = limits_of(SimpleNamespace(**merged(container.spec, changes)))
        limits_check(user, team, limits, host=host, policy=policy)
    for name in ("ports", "add_ports"):
        ports_check(user, team, changes.get(name) or (), host=host, field=name, policy=policy)
