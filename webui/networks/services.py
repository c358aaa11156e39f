"""What people ask of a host's networks; what the host then says is in `observed`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from django.db import transaction
from django.db.models import Q

from engine.errors import AlreadyExists, Conflict, InvalidArgument, NotFound
from engine.options.labels import are_meant
from engine.options.networks import BRIDGE, Joining, NetworkSpec, joining_problems, spec_problems
from webui.accounts.models import Team, User
from webui.accounts.roles import require, require_loosening, require_on
from webui.containers.default_network import is_on_default
from webui.containers.models import Container, ObservedStatus
from webui.hosts.models import Host
from webui.hosts.services import host_choose
from webui.jobs.models import Job
from webui.jobs.services import job_create
from webui.networks.models import Endpoint, Network
from webui.networks.observed import endpoints_apply, network_apply_inventory, network_apply_state, network_forget
from webui.networks.overlapping import overlaps_of
from webui.policies.checks import quota_check
from worker.contract.networks import (
    DEFAULT_NETWORK,
    ConnectNetwork,
    CreateNetwork,
    DisconnectNetwork,
    NetworkCommand,
    PruneNetworks,
    RemoveNetwork,
)

__all__ = [
    "container_named",
    "default_connect",
    "default_disconnect",
    "endpoints_apply",
    "network_apply_inventory",
    "network_apply_state",
    "network_connect",
    "network_create",
    "network_disconnect",
    "network_forget",
    "network_leave",
    "network_prune",
    "network_remove",
    "networks_prunable",
]

LABEL_LENGTH = 4096
ALIVE = (ObservedStatus.RUNNING, ObservedStatus.PAUSED)


@transaction.atomic
def network_create(
    *,
    user: User,
    host: Host,
    name: str,
    driver: str = BRIDGE,
    parent: str | None = None,
    mode: str | None = None,
    subnet: str | None = None,
    gateway: str | None = None,
    ip_range: str | None = None,
    ipv6: bool = False,
    subnet6: str | None = None,
    gateway6: str | None = None,
    ip_range6: str | None = None,
    mtu: int | None = None,
    internal: bool = False,
    icc: bool = True,
    labels: Mapping[str, str] | None = None,
    attachable: bool = False,
    options: Mapping[str, str] | None = None,
) -> Job:
    """Ask `host` for a network, as `NetworkSpec` describes one.

    One on a wire of the host's, beside all else that is there, is for those who may loosen. Raises PermissionDenied,
    InvalidArgument with the field errors, AlreadyExists with the field `name`, Conflict with a subnet's that overlaps
    another one.
    """
    require_on(user, "networks.create", host)
    quota_check(host.team, "networks")
    spec = NetworkSpec(
        id=secrets.token_hex(32),
        name=name,
        driver=driver,
        parent=parent or None,
        mode=mode or None,
        subnet=subnet or None,
        gateway=gateway or None,
        ip_range=ip_range or None,
        ipv6=ipv6,
        subnet6=subnet6 or None,
        gateway6=gateway6 or None,
        ip_range6=ip_range6 or None,
        mtu=mtu,
        internal=internal,
        icc=icc,
        labels=dict(labels or {}),
        attachable=attachable,
        options=dict(options or {}),
    )
    errors: dict[str, list[str]] = {}
    for field, sentence in spec_problems(spec):
        errors.setdefault(field, []).append(sentence)
    if any(not key or "\0" in key or len(key) + len(value) > LABEL_LENGTH for key, value in spec.labels.items()):
        errors.setdefault("labels", []).append(f"A label has a name, and at most {LABEL_LENGTH} characters in all.")
    if errors:
        raise InvalidArgument("the network can't be made: correct the marked fields", {"fields": errors})
    if spec.driver != BRIDGE:
        require_loosening(user, host.team, [("driver", f"a network on the wire of {spec.parent}")], host=host)
    if Network.objects.filter(host=host, name=name).exists():
        message = f"A network named {name} is already on the host {host.name}: choose another name or remove it."
        raise AlreadyExists(message, {"fields": {"name": [message]}})
    if clashes := dict(overlaps_of(host, spec)):
        fields = {field: [sentence] for field, sentence in clashes.items()}
        raise Conflict(" ".join(clashes.values()), {"fields": fields})
    wishes = asdict(spec)
    command = CreateNetwork(network_id=wishes.pop("id"), **wishes)
    return _job(user, host.team, host, command, name)


@transaction.atomic
def network_remove(*, user: User, network: Network, from_stopped: bool = False) -> Job:
    """Ask the network's host to remove it. Raises PermissionDenied, Conflict that names the containers on it.

    `from_stopped`: only those that run keep it. The others don't start before they were disconnected (`network_leave`).
    """
    require_on(user, "networks.remove", network)
    on_it = network.endpoints.filter(container__observed_status__in=ALIVE) if from_stopped else network.endpoints.all()
    names = list(on_it.values_list("container__name", flat=True)[:11])
    if names:
        who = ", ".join(names[:10]) + (" and more" if len(names) > 10 else "")
        raise Conflict(f"network {network.name} is in use by {who}: disconnect or remove what is on it first")
    command = RemoveNetwork(network_id=network.network_id, from_stopped=from_stopped)
    return _job(user, network.team, network.host, command, network.name)


@transaction.atomic
def network_prune(
    *,
    user: User,
    host: Host,
    until: float | None = None,
    labels: Sequence[str] = (),
    not_labels: Sequence[str] = (),
) -> Job:
    """Ask `host` to remove the networks that no container is on, as `PruneNetworks` says. Raises PermissionDenied."""
    require_on(user, "networks.remove", host)
    command = PruneNetworks(until=until, labels=tuple(labels), not_labels=tuple(not_labels))
    return _job(user, host.team, host, command, host.name)


def networks_prunable(
    *,
    user: User,
    host: Host,
    until: float | None = None,
    labels: Sequence[str] = (),
    not_labels: Sequence[str] = (),
) -> list[Network]:
    """Those that `network_prune` with the same wishes would remove. Raises PermissionDenied."""
    require_on(user, "networks.view", host)
    unused = Network.objects.filter(host=host, team=host.team, endpoints=None)
    return [
        network
        for network in unused
        if (until is None or network.created_at.timestamp() < until) and are_meant(network.labels, labels, not_labels)
    ]


@transaction.atomic
def network_connect(
    *,
    user: User,
    network: Network,
    container: str,
    ip: str | None = None,
    ip6: str | None = None,
    mac_address: str | None = None,
    aliases: Sequence[str] = (),
) -> Job:
    """Ask the host to let a container (a name or an id) join, at once if it runs.

    It changes what the container is, as `container_update` does, and needs the same right. Raises PermissionDenied,
    NotFound with the field `container`, InvalidArgument with the others.
    """
    require_on(user, "networks.connect", network)
    found = _find(network, container)
    wish = {"network": network.network_id}
    parts = {
        "ip": Joining(**wish, ip=ip or None),
        "ip6": Joining(**wish, ip6=ip6 or None),
        "mac_address": Joining(**wish, mac=mac_address or None),
        "aliases": Joining(**wish, aliases=tuple(aliases)),
    }
    errors = {name: list(joining_problems(part)) for name, part in parts.items()}
    if any(errors.values()):
        fields = {name: sentences for name, sentences in errors.items() if sentences}
        raise InvalidArgument("the container can't join like this: correct the marked fields", {"fields": fields})
    command = ConnectNetwork(
        network_id=network.network_id,
        container_id=found.pk,
        ip=ip or None,
        ip6=ip6 or None,
        mac_address=(mac_address or "").lower() or None,
        aliases=tuple(aliases),
    )
    return _job(user, network.team, network.host, command, network.name)


@transaction.atomic
def network_disconnect(*, user: User, network: Network, container: str) -> Job:
    """Ask the host to let a container leave. Raises PermissionDenied, NotFound with the field `container`."""
    require_on(user, "networks.connect", network)
    command = DisconnectNetwork(network_id=network.network_id, container_id=_find(network, container).pk)
    return _job(user, network.team, network.host, command, network.name)


@transaction.atomic
def network_leave(*, user: User, container: Container, network: str) -> Job:
    """Ask the host to let a container leave `network`, by its name or id, which may be removed by now.

    The default network is meant by the word bridge. Raises PermissionDenied, NotFound with the field `network` where it
    is on no such network.
    """
    is_there = is_on_default(container.on_default, str(container.spec.get("network") or ""))
    if network == DEFAULT_NETWORK and is_there:
        return default_disconnect(user=user, container=container)
    on_it = Endpoint.objects.filter(container=container, network__team=container.team_id).select_related("network")
    endpoint = on_it.filter(Q(network__name=network) | Q(network__network_id=network)).first()
    if endpoint is not None:
        return network_disconnect(user=user, network=endpoint.network, container=container.pk)
    require(user, "networks.connect", container.team, host=container.host)
    gone = next((one for one in container.networks_gone if network in (one["network"], one["network_id"])), None)
    if gone is None:
        message = f"The container {container.name} is on no network {network[:64]}: choose one that it is on."
        raise NotFound(message, {"fields": {"network": [message]}})
    command = DisconnectNetwork(network_id=gone["network_id"], container_id=container.pk)
    return _job(user, container.team, container.host, command, gone["network"])


@transaction.atomic
def default_connect(*, user: User, container: Container) -> Job:
    """Ask the host to let a container join the default network, at once if it runs. Raises PermissionDenied."""
    require(user, "networks.connect", container.team, host=container.host)
    command = ConnectNetwork(network_id=DEFAULT_NETWORK, container_id=container.pk)
    return _job(user, container.team, container.host, command, DEFAULT_NETWORK)


@transaction.atomic
def default_disconnect(*, user: User, container: Container) -> Job:
    """Ask the host to let a container leave the default network. Raises PermissionDenied."""
    require(user, "networks.connect", container.team, host=container.host)
    command = DisconnectNetwork(network_id=DEFAULT_NETWORK, container_id=container.pk)
    return _job(user, container.team, container.host, command, DEFAULT_NETWORK)


def container_named(*, user: User, container: str, host: str | None = None) -> Container:
    """The container that `user` means by an id or a name, on `host` (a name or an id) if that is told.

    Raises NotFound with the field `host`, or `container` where there is none or several.
    """
    seen = Container.objects.visible_to(user).select_related("team", "host")
    if host:
        seen = seen.filter(host=host_choose(user=user, host=host))
    found = list(seen.filter(pk=container)[:1]) or list(seen.filter(name=container)[:2])
    if len(found) == 1:
        return found[0]
    message = f"There is no container {container}: the list of containers shows names and ids."
    if found:
        message = f"There are several containers called {container}: give its id, or the host."
    raise NotFound(message, {"fields": {"container": [message]}})


def _find(network: Network, text: str) -> Container:
    """By name or id. A host's networks are for its own containers, and a team's for those of the team."""
    there = Container.objects.filter(host=network.host_id, team=network.team_id)
    found = there.filter(pk=text).first() or there.filter(name=text).first()
    if found is None:
        message = f"There is no container {text} of the team {network.team.name} on the host {network.host.name}."
        raise NotFound(message, {"fields": {"container": [message]}})
    return found


def _job(user: User, team: Team, host: Host, command: NetworkCommand, subject: str) -> Job:
    return job_create(team=team, host=host, requested_by=user, command=command, subject=subject)
