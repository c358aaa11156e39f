"""Which names a network's resolver answers, and with whom: as the hosts do it (`engine.options.naming`)."""

from __future__ import annotations

from typing import Any

from engine.options import naming
from webui.containers.models import ObservedStatus
from webui.networks.models import Endpoint, Network

ALIAS = "alias"
_ANSWERED = (ObservedStatus.RUNNING, ObservedStatus.PAUSED)


def network_names(network: Network) -> list[dict[str, Any]]:
    """Each name with its addresses and the containers that have it, those of the network's team that run, by name.

    Names differ in more than case; a name that several have is answered with all of their addresses.
    """
    found: dict[str, dict[str, Any]] = {}
    for endpoint in network.endpoints.all():
        container = endpoint.container
        if container.team_id != network.team_id or container.observed_status not in _ANSWERED:
            continue
        for name, kind in _names(endpoint).items():
            entry = found.setdefault(name, {"name": name, "kinds": [], "addresses": [], "containers": []})
            entry["kinds"] = sorted({*entry["kinds"], kind})
            entry["addresses"] += filter(None, (endpoint.ip, endpoint.ip6))
            entry["containers"].append({"id": container.id, "name": container.name})
    return [found[name] for name in sorted(found)]


def _names(endpoint: Endpoint) -> dict[str, str]:
    container = endpoint.container
    labels = container.spec.get("labels") or {}
    own = naming.names(container.id, container.name, container.spec.get("hostname"), labels)
    lowered: dict[str, str] = {}
    for name, kind in (*own.items(), *((alias, ALIAS) for alias in endpoint.aliases)):
        lowered.setdefault(name.lower(), kind)
    return lowered
