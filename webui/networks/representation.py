"""How networks look in REST, broadcasts and pages."""

from __future__ import annotations

from typing import Any

from webui.accounts.representation import team_reference_as_json, time_as_json
from webui.hosts.representation import host_reference_as_json
from webui.networks.models import Endpoint, Network


def network_as_json(network: Network) -> dict[str, Any]:
    """With the containers on it that are its team's; a list fetches `endpoints__container` ahead."""
    on_it = [one for one in network.endpoints.all() if one.container.team_id == network.team_id]
    return {
        "id": network.pk,
        "network_id": network.network_id,
        "short_id": network.short_id,
        "name": network.name,
        "driver": network.driver,
        "parent": network.parent or None,
        "mode": network.mode or None,
        "subnet": network.subnet,
        "gateway": network.gateway,
        "ip_range": network.ip_range or None,
        "ipv6": network.ipv6,
        "subnet6": network.subnet6 or None,
        "gateway6": network.gateway6 or None,
        "ip_range6": network.ip_range6 or None,
        "mtu": network.mtu,
        "internal": network.internal,
        "icc": network.icc,
        "labels": network.labels,
        "containers": [_endpoint_as_json(one) for one in on_it],
        "host": host_reference_as_json(network.host),
        "team": team_reference_as_json(network.team),
        "created_at": time_as_json(network.created_at),
        "url": f"/api/v1/networks/{network.pk}/",
    }


def _endpoint_as_json(endpoint: Endpoint) -> dict[str, Any]:
    return {
        "id": endpoint.container_id,
        "name": endpoint.container.name,
        "status": endpoint.container.observed_status,
        "ip": endpoint.ip,
        "ip6": endpoint.ip6 or None,
        "mac": endpoint.mac or None,
        "interface": endpoint.interface,
        "aliases": endpoint.aliases,
        "url": f"/api/v1/containers/{endpoint.container_id}/",
    }
