"""Networks as Docker's JSON has them (moby's api/swagger.yaml, Network), with the three that every host has.

A container's place on a network has no id here; what stands for one is reckoned from the two (`endpoint_id`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from engine.options.networks import default_place
from webui.containers.models import Container
from webui.dockerapi.objects.words import reckoned_id
from webui.dockerapi.times import rfc3339
from webui.dockerapi.versions import Version
from webui.hosts.models import Host
from webui.networks.models import Endpoint, Network

BRIDGE, HOST, NONE = PREDEFINED = ("bridge", "host", "none")
_DRIVERS = {BRIDGE: "bridge", HOST: "host", NONE: "null"}
ON_IT = ("running", "paused", "restarting")
"""In these states a container is shown on its networks, as Docker shows who runs."""
MTU, ICC = "com.docker.network.driver.mtu", "com.docker.network.bridge.enable_icc"
_OF_BRIDGE = {
    "com.docker.network.bridge.default_bridge": "true",
    ICC: "true",
    "com.docker.network.bridge.enable_ip_masquerade": "true",
    "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",  # noqa: S104 - shown, not bound
}


def predefined_id(host_id: str, name: str) -> str:
    """The id of a host's network bridge, host or none."""
    return reckoned_id(host_id, name)


def endpoint_id(network_id: str, container_id: str) -> str:
    return reckoned_id(container_id, network_id)


@dataclass(frozen=True, slots=True)
class OwnNetwork:
    """A host's default network: IPv4 `subnet` in CIDR form and `gateway`, empty if the host has not said."""

    subnet: str = ""
    gateway: str = ""


def network_object(network: Network, version: Version, *, is_whole: bool = False) -> dict[str, Any]:
    """`is_whole`: with the containers on it, as one that is asked for by name has them."""
    config = [_pool(network.subnet, network.gateway, network.ip_range)] if network.subnet else []
    if network.ipv6 and network.subnet6:
        config.append(_pool(network.subnet6, network.gateway6, network.ip_range6))
    found = _frame(
        version,
        name=network.name,
        id=network.network_id,
        created=rfc3339(network.created_at),
        driver=network.driver,
        config=config,
        options=options_of(network),
        labels=network.labels,
    )
    found["EnableIPv6"] = network.ipv6
    found["Internal"] = network.internal
    found["Attachable"] = network.attachable
    if is_whole:
        places = network.endpoints.select_related("container")
        on_it = [one for one in places if one.container.team_id == network.team_id]
        found["Containers"] = {one.container_id: _member(network, one) for one in on_it if _is_on(one.container)}
    return found


def predefined_object(
    host: Host, name: str, version: Version, *, own: OwnNetwork | None = None, containers: Iterable[Container] = ()
) -> dict[str, Any]:
    """The host's network bridge, host or none; `containers` are those to be shown on it."""
    network_id = predefined_id(host.pk, name)
    own = own or OwnNetwork()
    found = _frame(
        version,
        name=name,
        id=network_id,
        created=rfc3339(host.registered_at),
        driver=_DRIVERS[name],
        config=[_pool(own.subnet, own.gateway, "")] if own.subnet and name == BRIDGE else [],
        options=dict(_OF_BRIDGE) if name == BRIDGE else {},
        labels={},
    )
    length = f"/{ip_network(own.subnet).prefixlen}" if own.subnet else ""
    found["Containers"] = {
        one.pk: {
            "Name": one.name,
            "EndpointID": endpoint_id(network_id, one.pk),
            "MacAddress": default_place(one.ip_address or "").mac if name == BRIDGE else "",
            "IPv4Address": f"{one.ip_address}{length}" if one.ip_address and name == BRIDGE else "",
            "IPv6Address": "",
        }
        for one in containers
    }
    return found


def options_of(network: Network) -> dict[str, str]:
    """What of it Docker knows as options of the driver."""
    found = dict(network.options)
    if network.mtu is not None:
        found[MTU] = str(network.mtu)
    if not network.icc:
        found[ICC] = "false"
    if network.parent:
        found["parent"] = network.parent
    if network.mode:
        found[f"{network.driver}_mode"] = network.mode
    return found


def _frame(
    version: Version, *, name: str, id: str, created: str, driver: str, config: list[dict[str, str]],
    options: Mapping[str, str], labels: Mapping[str, str],
) -> dict[str, Any]:  # fmt: skip
    found: dict[str, Any] = {
        "Name": name,
        "Id": id,
        "Created": created,
        "Scope": "local",
        "Driver": driver,
        "EnableIPv6": False,
        "IPAM": {"Driver": "default", "Options": None, "Config": config},
        "Internal": False,
        "Attachable": False,
        "Ingress": False,
        "ConfigFrom": {"Network": ""},
        "ConfigOnly": False,
        "Containers": {},
        "Options": dict(options),
        "Labels": dict(labels),
    }
    if version >= (1, 48):
        found["EnableIPv4"] = True
    return found


def _pool(subnet: str, gateway: str, ip_range: str) -> dict[str, str]:
    found = {"Subnet": subnet}
    if ip_range:
        found["IPRange"] = ip_range
    if gateway:
        found["Gateway"] = gateway
    return found


def _member(network: Network, endpoint: Endpoint) -> dict[str, str]:
    return {
        "Name": endpoint.container.name,
        "EndpointID": endpoint_id(network.network_id, endpoint.container_id),
        "MacAddress": endpoint.mac,
        "IPv4Address": _with_length(endpoint.ip, network.subnet),
        "IPv6Address": _with_length(endpoint.ip6, network.subnet6),
    }


def _is_on(container: Container) -> bool:
    return container.observed_status in ON_IT


def _with_length(address: str, subnet: str) -> str:
    return f"{address}/{subnet.partition('/')[2]}" if address and subnet else address
