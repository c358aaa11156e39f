"""The networks that a container is on, for its page."""

from __future__ import annotations

from typing import Any

from engine.options import modes, networks
from webui.containers.default_network import default_interface, is_on_default
from webui.containers.models import Container, ObservedStatus
from webui.containers.networks_now import is_joinable
from webui.networks.models import Endpoint

_ALIVE = (ObservedStatus.RUNNING, ObservedStatus.PAUSED, ObservedStatus.RESTARTING)
_MODES = {
    "none": "It has no network: nothing reaches it, and it reaches nothing.",
    "host": "It has the host's own network: every port that it opens is the host's.",
}


def networking(container: Container) -> dict[str, Any]:
    """`endpoints` as rows; `gone`: networks that were removed while it was on them.

    `mode`: a sentence where there can't be any; `joinable`: whether it may join more.
    """
    mode = str(container.spec.get("network") or modes.BRIDGE)
    owner = modes.target(mode)
    return {
        "endpoints": _rows(container, mode),
        "gone": container.networks_gone,
        "mode": _MODES.get(mode, ""),
        "shares": Container.objects.filter(pk=owner, team=container.team).first() if owner else None,
        "joinable": is_joinable(mode),
    }


def _rows(container: Container, mode: str) -> list[dict[str, Any]]:
    rows = [_row(endpoint) for endpoint in _endpoints(container)]
    if is_on_default(container.on_default, mode):
        ip = (container.ip_address if container.observed_status in _ALIVE else None) or ""
        place = networks.default_place(ip)
        row = {"network": None, "ip": ip, "prefix": place.subnet.rpartition("/")[2], "gateway": place.gateway}
        others = (one["interface"] for one in rows)
        interface = default_interface(container.on_default, others) if ip else ""
        rows.insert(0, {**row, "mac": place.mac, "interface": interface})
    return rows


def _row(endpoint: Endpoint) -> dict[str, Any]:
    network = endpoint.network
    return {
        "network": network,
        "ip": endpoint.ip,
        "prefix": network.subnet.rpartition("/")[2],
        "ip6": endpoint.ip6,
        "prefix6": network.subnet6.rpartition("/")[2],
        "gateway": "" if network.internal else network.gateway,
        "gateway6": "" if network.internal else network.gateway6,
        "mac": endpoint.mac,
        "interface": endpoint.interface,
        "aliases": endpoint.aliases,
    }


def _endpoints(container: Container) -> list[Endpoint]:
    return list(container.endpoints.select_related("network"))
