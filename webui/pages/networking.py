"""The networks that a container is on, for its page and for a new one like it."""

from __future__ import annotations

from typing import Any

from engine.errors import InvalidArgument
from engine.options import modes, networks
from webui.containers.default_network import default_interface, is_on_default
from webui.containers.models import Container, ObservedStatus
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
        "joinable": owner is None and mode not in _MODES,
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


def joined_like(container: Container) -> dict[str, Any]:
    """The networks of a spec as the container is on them now: what it left is out, what it joined later is in.

    Addresses that were asked for go along; those that the host gave are given anew.
    """
    spec = container.spec
    try:
        asked = {one.network: one for one in networks.of_container(_Wishes(spec))}
    except InvalidArgument:  # made by another version
        return {}
    mode = str(spec.get("network") or modes.BRIDGE)
    now = [endpoint for endpoint in _endpoints(container) if endpoint.network.name not in asked]
    known = container.host.networks.filter(endpoints__container=container)
    left = set(asked) - {name for row in known.values_list("name", "network_id") for name in row}
    is_default, was_default = is_on_default(container.on_default, mode), is_on_default(None, mode)
    is_changed = now or left or is_default != was_default
    if container.observed_seq == 0 or not networking(container)["joinable"] or not is_changed:
        return {}
    kept = [_text(one) for name, one in asked.items() if name not in left]
    kept += [_text(networks.Joining(network=one.network.name, aliases=tuple(one.aliases))) for one in now]
    if is_default and was_default:
        return {"networks": kept}
    main = networks.read(kept.pop(0)) if kept and not is_default else networks.Joining(network=modes.BRIDGE)
    return {
        "network": main.network,
        "ip": main.ip,
        "ip6": main.ip6,
        "mac_address": main.mac,
        "network_alias": list(main.aliases),
        "networks": kept,
    }


def _text(joining: networks.Joining) -> str:
    parts = [f"ip={joining.ip}"] if joining.ip else []
    parts += [f"ip6={joining.ip6}"] if joining.ip6 else []
    parts += [f"mac={joining.mac}"] if joining.mac else []
    parts += [f"alias={alias}" for alias in joining.aliases]
    return f"{joining.network}:{','.join(parts)}" if parts else joining.network


class _Wishes:
    """What a spec says of networks, as `engine.options.networks` reads it."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.network = str(spec.get("network") or modes.BRIDGE)
        self.networks = tuple(spec.get("networks") or ())
        self.network_alias = tuple(spec.get("network_alias") or ())
        self.ip, self.ip6, self.mac_address = spec.get("ip"), spec.get("ip6"), spec.get("mac_address")
