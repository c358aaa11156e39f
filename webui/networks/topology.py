"""Who is connected to what, as one picture needs it: hosts, their networks, the containers on them, published ports."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from django.db.models.fields.json import KT

from engine.options import modes, networks
from webui.accounts.models import User
from webui.containers.default_network import default_interface, is_on_default
from webui.containers.models import Container, ObservedStatus
from webui.hosts.models import Host
from webui.networks.models import Endpoint, Network

_ALIVE = frozenset((ObservedStatus.RUNNING, ObservedStatus.PAUSED, ObservedStatus.RESTARTING))
_COLUMNS = ("id", "host_id", "name", "image", "observed_status", "error", "ip_address", "on_default", "health", "ports")
_NETWORK = ("name", "driver", "subnet", "internal", "icc")
_PORT = ("container", "host", "protocol", "address")


def topology_of(user: User, host: Host | None = None) -> dict[str, Any]:
    """`results`: the hosts that `user` sees (or `host` alone), each with `networks` and `containers`. Four queries.

    A container's `links` say where it is: `network` is the id of one of a name, None for the host's default network.
    `mode` is bridge (on networks, or none yet), none, host or container; then `shares` is whose network it has.
    """
    hosts = Host.objects.visible_to(user).order_by("name")
    if host is not None:
        hosts = hosts.filter(pk=host.pk)
    ids = [one.pk for one in hosts]
    return {
        "results": [
            {
                "id": one.pk,
                "name": one.name,
                "online": one.is_online,
                "url": f"/api/v1/hosts/{one.pk}/",
                "networks": nets,
                "containers": boxes,
            }
            for one, nets, boxes in _merged(list(hosts), _networks(user, ids), _containers(user, ids))
        ]
    }


def _merged(hosts: list[Host], nets: Mapping[str, Any], boxes: Mapping[str, Any]) -> list[tuple[Host, Any, Any]]:
    return [(host, nets.get(host.pk, []), boxes.get(host.pk, [])) for host in hosts]


def _networks(user: User, hosts: list[str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for network in Network.objects.visible_to(user).filter(host__in=hosts):
        about = {name: getattr(network, name) for name in _NETWORK}
        more = {"parent": network.parent or None, "subnet6": network.subnet6 or None}
        found[network.host_id].append({"id": network.pk, **about, **more, "url": f"/api/v1/networks/{network.pk}/"})
    return found


def _containers(user: User, hosts: list[str]) -> dict[str, list[dict[str, Any]]]:
    visible = Container.objects.visible_to(user).filter(host__in=hosts)
    links: dict[str, list[dict[str, Any]]] = defaultdict(list)
    ends = Endpoint.objects.filter(container__in=visible, network__in=Network.objects.visible_to(user))
    for end in ends.order_by("interface", "id"):
        link = {"network": end.network_id, "ip": end.ip or None, "ip6": end.ip6 or None, "interface": end.interface}
        links[end.container_id].append(link)
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    # The whole of what each was asked for would be read from the disk for one word of it.
    for row in visible.order_by("name", "id").values(*_COLUMNS, asked=KT("spec__network")):
        found[row["host_id"]].append(_container(row, links.get(row["id"], [])))
    return found


def _container(row: Mapping[str, Any], links: list[dict[str, Any]]) -> dict[str, Any]:
    asked = modes.usual("network", row["asked"] or "")
    shares = modes.target(asked)
    alive = row["observed_status"] in _ALIVE
    if is_on_default(row["on_default"], asked):
        interface = default_interface(row["on_default"], (link["interface"] for link in links))
        links = [
            {"network": None, "ip": row["ip_address"] if alive else None, "ip6": None, "interface": interface},
            *links,
        ]
    return {
        "id": row["id"],
        "name": row["name"],
        "image": row["image"],
        "status": row["observed_status"],
        "error": row["error"] or None,
        "health": (row["health"] or {}).get("status"),
        "mode": "container" if shares else modes.BRIDGE if networks.is_name(asked) else asked,
        "shares": shares,
        "links": links,
        "ports": [{name: port.get(name) for name in _PORT} for port in row["ports"] if alive],
        "url": f"/api/v1/containers/{row['id']}/",
    }
