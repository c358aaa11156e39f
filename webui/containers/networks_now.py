"""What a container's networks would be asked for with, if it were asked for as it is now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import InvalidArgument
from engine.options import modes, networks
from webui.containers.default_network import is_on_default
from webui.containers.models import Container

NOWHERE = "none"


def is_joinable(mode: str) -> bool:
    """Whether a container of this `network` may be on further ones."""
    return modes.target(mode) is None and mode not in ("none", "host")


def joined_like(container: Container) -> dict[str, Any]:
    """The networks of a spec as the container is on them now: what it left is out, what it joined later is in.

    Addresses that were asked for go along; those that the host gave are given anew. Without what is to be told of, or
    for one that can't be on several, it is empty; `network` is `NOWHERE` for one that has left them all.
    """
    spec = container.spec
    ids = dict(container.host.networks.values_list("network_id", "name"))
    try:
        asked = {_name(one.network, ids): one for one in networks.of_container(_Wishes(spec))}
    except InvalidArgument:  # made by another version
        return {}
    mode = str(spec.get("network") or modes.BRIDGE)
    there = list(container.endpoints.select_related("network"))
    now = [endpoint for endpoint in there if endpoint.network.name not in asked]
    # One that was removed under the container was never left: who asks for it again is told that it is gone.
    gone = {one[key] for one in container.networks_gone for key in ("network_id", "network")}
    left = set(asked) - {endpoint.network.name for endpoint in there} - gone
    is_default, was_default = is_on_default(container.on_default, mode), is_on_default(None, mode)
    is_changed = now or left or is_default != was_default
    if container.observed_seq == 0 or not is_joinable(mode) or not is_changed:
        return {}
    kept = [_text(one) for name, one in asked.items() if name not in left]
    kept += [_text(_joined(endpoint)) for endpoint in now]
    if is_default and was_default:
        return {"networks": kept}
    nowhere = networks.Joining(network=modes.BRIDGE if is_default else NOWHERE)
    main = networks.read(kept.pop(0)) if kept and not is_default else nowhere
    return {
        "network": main.network,
        "ip": main.ip,
        "ip6": main.ip6,
        "mac_address": main.mac,
        "network_alias": list(main.aliases),
        "networks": kept,
    }


def _name(network: str, ids: Mapping[str, str]) -> str:
    """Of a network that is named, or meant by as much of its id as only one begins with."""
    found = [] if network in ids.values() else [one for one in ids if one.startswith(network)]
    return ids[found[0]] if len(found) == 1 else network


def _joined(endpoint: Any) -> networks.Joining:
    """As it was joined later; `asked` are the addresses that were asked for then."""
    return networks.Joining(
        network=endpoint.network.name,
        ip=endpoint.asked.get("ip"),
        ip6=endpoint.asked.get("ip6"),
        aliases=tuple(endpoint.aliases),
    )


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
