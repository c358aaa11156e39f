"""What a host says of its networks and of who is on them: taken over, told to the pages, forgotten."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from webui.accounts.models import Team
from webui.broadcast import change_publish
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.networks.models import Endpoint, Network
from webui.networks.telling import networks_publish
from webui.prepared import Prepared
from worker.contract.events import NetworkState

_ENDPOINT: dict[str, Any] = {"ip": "", "ip6": "", "mac": "", "interface": "", "aliases": [], "asked": {}}
"""What is kept of an endpoint, and what stands for nothing said."""
_ENDPOINTS = Prepared(Endpoint.objects.select_related("network"), "network__host_id", "container_id")
_NETWORKS = Prepared(Network.objects.only("network_id"), "host_id", "network_id")
_CONTAINERS = Prepared(Container.objects.only("pk"), "host_id", "pk")


@transaction.atomic
def network_apply_state(*, host: Host, team: Team, state: NetworkState) -> Network:
    """Take over what the host says about one network; the pages are told if anything is new."""
    values: dict[str, Any] = {
        "name": state.name[:64],
        "driver": state.driver,
        "parent": state.parent or "",
        "mode": state.mode or "",
        "subnet": state.subnet or "",
        "gateway": state.gateway or "",
        "ip_range": state.ip_range or "",
        "ipv6": state.ipv6,
        "subnet6": state.subnet6 or "",
        "gateway6": state.gateway6 or "",
        "ip_range6": state.ip_range6 or "",
        "mtu": state.mtu,
        "internal": state.internal,
        "icc": state.icc,
        "labels": dict(state.labels),
        "attachable": state.attachable,
        "options": dict(state.options),
    }
    if state.created_at is not None:
        values["created_at"] = datetime.fromtimestamp(state.created_at, UTC)
    network = Network.objects.select_related("host", "team").filter(host=host, network_id=state.id).first()
    if network is not None and all(getattr(network, name) == value for name, value in values.items()):
        return network
    if network is None:
        network = Network(host=host, team=team, network_id=state.id, created_at=timezone.now())
    for name, value in values.items():
        setattr(network, name, value)
    network.save()
    networks_publish([network.pk])
    return network


@transaction.atomic
def network_forget(*, host: Host, network_id: str) -> None:
    """The host has no such network any more."""
    for network in Network.objects.filter(host=host, network_id=network_id):
        row_id, team_id = network.pk, network.team_id
        network.delete()
        change_publish(team_id=team_id, kind="network", action="removed", id=row_id, object=None)


@transaction.atomic
def network_apply_inventory(*, host: Host, team: Team, states: list[NetworkState]) -> None:
    """`states` is everything the host has: take it over and forget the rest."""
    present = {state.id for state in states}
    for network_id in Network.objects.filter(host=host).values_list("network_id", flat=True):
        if network_id not in present:
            network_forget(host=host, network_id=network_id)
    for state in states:
        network_apply_state(host=host, team=team, state=state)


@transaction.atomic(savepoint=False)
def endpoints_apply(*, host: Host, joined: Mapping[str, Iterable[Mapping[str, Any]]]) -> None:
    """Take over on which networks containers are: by a container's id what its ContainerState says in `networks`.

    Of networks and containers that have no row here (they are told before, or an inventory will) nothing is kept.
    """
    known = {(one.container_id, one.network.network_id): one for one in _ENDPOINTS.any_of(joined, host.pk)}
    told = {(container_id, str(one["network_id"])): one for container_id, ones in joined.items() for one in ones}
    touched = set()
    for key, endpoint in known.items():
        if key not in told:
            endpoint.delete()  # which is told by itself
    rows = {one.network_id: one.pk for one in _NETWORKS.any_of({network_id for _, network_id in told}, host.pk)}
    new = told.keys() - known.keys()
    present = {one.pk for one in _CONTAINERS.any_of({container_id for container_id, _ in new}, host.pk)}
    for (container_id, network_id), said in told.items():
        values = {name: said.get(name) or nothing for name, nothing in _ENDPOINT.items()}
        before = known.get((container_id, network_id))
        if before is None and network_id in rows and container_id in present:
            Endpoint.objects.create(network_id=rows[network_id], container_id=container_id, **values)
        elif before is not None and any(getattr(before, name) != value for name, value in values.items()):
            Endpoint.objects.filter(pk=before.pk).update(**values)
        else:
            continue
        touched.add(rows[network_id])
    networks_publish(touched)


def endpoint_gone(*, endpoint: Endpoint, origin: Any) -> None:
    """A container has left, or is no more; nothing is said where the network itself goes."""
    if not isinstance(origin, Network):
        networks_publish([endpoint.network_id])
