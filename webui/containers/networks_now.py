"""What a container's networks would be asked for with, if it were asked for as it is now."""

from __future__ import annotations

from typing import Any

from engine.errors import InvalidArgument
from engine.options import modes, networks
from webui.containers.default_network import is_on_default
from webui.containers.models import Container


def is_joinable(mode: str) -> bool:
    """Whether a container of this `network` may be on further ones."""
    return modes.target(mode) is None and mode not in ("none", "host")


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
    now = [endpoint for endpoint in container.endpoints.select_related("network") if endpoint.network.name not in asked]
    known = container.host.networks.filter(endpoints__container=container)
    left = set(asked) - {name for row in known.values_list("name", "network_id") for name in row}
    is_default, was_default = is_on_default(container.on_default, mode), is_on_default(None, mode)
    is_changed = now or left or is_default != was_default
    if container.observed_seq == 0 or not is_joinable(mode) or not is_changed:
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
