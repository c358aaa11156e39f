"""Networks: made, joined and left by containers, removed, pruned."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from engine.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied, Unsupported
from engine.options.networks import DRIVERS, IPVLAN, MACVLAN
from webui.containers.default_network import is_on_default
from webui.containers.models import Container
from webui.dockerapi import names, selection, shapes
from webui.dockerapi.answers import Empty, Json
from webui.dockerapi.asking import begun, done
from webui.dockerapi.call import Call
from webui.dockerapi.containers.networking import joining, mode_of, refuse_places
from webui.dockerapi.networks.looking import ID_LEAST, predefined_name
from webui.dockerapi.objects.networks import BRIDGE, HOST, ICC, MTU, NONE, ON_IT, PREDEFINED
from webui.dockerapi.routing import endpoint
from webui.jobs.models import Job
from webui.networks.models import Network
from webui.networks.services import (
    default_connect,
    default_disconnect,
    network_connect,
    network_create,
    network_disconnect,
    network_leave,
    network_prune,
    network_remove,
)

_PRUNING = frozenset({"label", "label!", "until"})
_MODES = {MACVLAN: "macvlan_mode", IPVLAN: "ipvlan_mode"}
_AS_IT_IS = {
    "com.docker.network.bridge.enable_ip_masquerade": "true",
    "com.docker.network.bridge.host_binding_ipv4": "0.0.0.0",  # noqa: S104 - read, not bound
    "com.docker.network.bridge.gateway_mode_ipv4": "nat",
}
"""Options of Docker's that say what a network here does anyway."""
_YES, _NO = ("true", "1", "t"), ("false", "0", "f")
_DOCKERS = "com.docker.network."
"""Options that mean something to Docker's drivers begin so, and are not to be passed over; others it keeps unread."""


@endpoint("POST", "/networks/create")
async def create(call: Call) -> Json:
    body = await call.json()
    name = shapes.text(shapes.member(body, "Name"), "Name")
    if name in PREDEFINED:
        raise PermissionDenied(f"operation is not permitted on predefined {name} network ")
    wishes = _wishes(body)

    def ask() -> Job:
        if names.networks(call).filter(name=name[:64]).exists():
            raise AlreadyExists(f"network with name {name} already exists")
        return network_create(user=call.user, host=call.host, name=name, **wishes)

    job = await begun(ask)
    await done(job)
    return Json({"Id": job.command["network_id"], "Warning": ""}, 201)


def _wishes(body: Mapping[str, Any]) -> dict[str, Any]:
    """Raises InvalidArgument, Unsupported, and NotFound for a driver that there isn't."""
    driver = shapes.text(shapes.member(body, "Driver"), "Driver") or "bridge"
    if driver not in DRIVERS:
        raise NotFound(f'could not find plugin {driver} in v1 plugin registry: plugin "{driver}" not found')
    for flag in ("ConfigOnly", "Ingress"):
        if shapes.flag(shapes.member(body, flag), flag):
            raise Unsupported(f"{flag}: a network here is one of this host alone")
    wishes = {
        "driver": driver,
        "internal": shapes.flag(shapes.member(body, "Internal"), "Internal"),
        "ipv6": shapes.flag(shapes.member(body, "EnableIPv6"), "EnableIPv6"),
        "labels": shapes.pairs(shapes.member(body, "Labels"), "Labels"),
        "attachable": shapes.flag(shapes.member(body, "Attachable"), "Attachable"),
    }
    wishes |= _options(driver, shapes.pairs(shapes.member(body, "Options"), "Options"))
    wishes |= _pools(shapes.mapping(shapes.member(body, "IPAM"), "IPAM"))
    wishes["ipv6"] = wishes["ipv6"] or "subnet6" in wishes
    return wishes


def _options(driver: str, options: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {"options": {}}
    for name, value in options.items():
        if name == MTU:
            if not (value.isascii() and value.isdigit()):
                raise InvalidArgument(f'invalid value for "{MTU}": {value[:40]!r} is no whole number')
            found["mtu"] = int(value[:9])
        elif name == ICC:
            if value.lower() not in (*_YES, *_NO):
                raise InvalidArgument(f"failed to parse {ICC} value: {value[:40]!r} is neither true nor false")
            found["icc"] = value.lower() in _YES
        elif name == "parent" and driver in _MODES:
            found["parent"] = value
        elif name == _MODES.get(driver):
            found["mode"] = value
        elif _AS_IT_IS.get(name) == value or not name.startswith(_DOCKERS):
            found["options"][name] = value
        else:
            raise Unsupported(f"the option {name[:80]} of a network is not supported: leave it out")
    return found


def _pools(ipam: Mapping[str, Any]) -> dict[str, str]:
    """At most one subnet of each family."""
    if shapes.text(shapes.member(ipam, "Driver"), "IPAM.Driver") not in ("", "default"):
        raise Unsupported("IPAM.Driver: addresses are given by the host itself (default)")
    found: dict[str, str] = {}
    for pool in shapes.objects(shapes.member(ipam, "Config"), "IPAM.Config"):
        words = {key: shapes.text(shapes.member(pool, key), key) for key in ("Subnet", "IPRange", "Gateway")}
        if not words["Subnet"]:
            if any(words.values()):
                raise InvalidArgument("invalid IPAM.Config: a range or a gateway lies in a Subnet")
            continue
        if shapes.member(pool, "AuxiliaryAddresses"):
            raise Unsupported("AuxiliaryAddresses: keep addresses free by IPRange")
        try:
            family = "" if ip_network(words["Subnet"], strict=False).version == 4 else "6"
        except ValueError:
            raise InvalidArgument(f"invalid subnet {words['Subnet'][:60]}: invalid CIDR address") from None
        if f"subnet{family}" in found:
            raise Unsupported("IPAM.Config: a network has one subnet of IPv4, and one of IPv6")
        names_of = {"Subnet": "subnet", "IPRange": "ip_range", "Gateway": "gateway"}
        found |= {f"{names_of[key]}{family}": value for key, value in words.items() if value}
    return found


@endpoint("DELETE", "/networks/{name:path}")
async def remove(call: Call) -> Empty:
    def ask() -> Job:
        builtin = predefined_name(call, call["name"])
        if builtin is not None:
            raise PermissionDenied(f"{builtin} is a pre-defined network and cannot be removed")
        network = names.network(call, call["name"])
        on_it = list(
            network.endpoints.filter(container__team=network.team_id, container__observed_status__in=ON_IT).values_list(
                "container__name", "container"
            )
        )
        if on_it:
            shown = ", ".join(f'name:"{name}" id:"{pk[:12]}"' for name, pk in on_it[:20])
            raise PermissionDenied(
                f"error while removing network: network {network.name} has active endpoints ({shown})"
            )
        return network_remove(user=call.user, network=network, from_stopped=True)

    await done(await begun(ask))
    return Empty()


@endpoint("POST", "/networks/{name:path}/connect")
async def connect(call: Call) -> Empty:
    body = await call.json()
    config = shapes.mapping(shapes.member(body, "EndpointConfig"), "EndpointConfig")
    wish = joining(config)

    def ask() -> Job:
        if (alone := _of_default(call, body, is_joining=True)) is not None:
            refuse_places({"network": BRIDGE, **wish})
            return default_connect(user=call.user, container=alone)
        network, container = _both(call, body)
        if network.endpoints.filter(container=container).exists():
            raise PermissionDenied(f"endpoint with name {container.name} already exists in network {network.name}")
        return network_connect(
            user=call.user,
            network=network,
            container=container.pk,
            ip=wish.get("ip", ""),
            ip6=wish.get("ip6", ""),
            mac_address=wish.get("mac_address", ""),
            aliases=wish.get("network_alias", []),
        )

    await done(await begun(ask))
    return Empty(200)


@endpoint("POST", "/networks/{name:path}/disconnect")
async def disconnect(call: Call) -> Empty:
    body = await call.json()

    def ask() -> Job:
        if (alone := _of_default(call, body, is_joining=False)) is not None:
            return default_disconnect(user=call.user, container=alone)
        try:
            network, container = _both(call, body)
        except NotFound:
            gone = _left_behind(call, body)
            if gone is None:
                raise
            return network_leave(user=call.user, container=gone[0], network=gone[1])
        if not network.endpoints.filter(container=container).exists():
            gone = _left_behind(call, body)
            if gone is not None:
                return network_leave(user=call.user, container=gone[0], network=gone[1])
            raise PermissionDenied(f"container {container.pk} is not connected to network {network.name}")
        return network_disconnect(user=call.user, network=network, container=container.pk)

    await done(await begun(ask))
    return Empty(200)


def _left_behind(call: Call, body: Mapping[str, Any]) -> tuple[Container, str] | None:
    """The container, and the id of a network that it was on when that was removed, if one is meant."""
    container = names.container(call, shapes.text(shapes.member(body, "Container"), "Container"))
    text = call["name"]
    for one in container.networks_gone:
        if text == one["network"] or (len(text) >= ID_LEAST and one["network_id"].startswith(text)):
            return container, one["network_id"]
    return None


def _of_default(call: Call, body: Mapping[str, Any], *, is_joining: bool) -> Container | None:
    """The container that is to join or leave the default network, None where another network is meant.

    Raises InvalidArgument for host and none, PermissionDenied for what is so already.
    """
    builtin = predefined_name(call, call["name"])
    if builtin is None:
        return None
    container = names.container(call, shapes.text(shapes.member(body, "Container"), "Container"))
    if builtin in (HOST, NONE):
        raise InvalidArgument(
            f"container cannot be disconnected from {builtin} network or connected to {builtin} network"
        )
    is_on_it = is_on_default(container.on_default, mode_of(container.spec))
    if is_joining and is_on_it:
        raise PermissionDenied(f"endpoint with name {container.name} already exists in network {builtin}")
    if not is_joining and not is_on_it:
        raise PermissionDenied(f"container {container.pk} is not connected to network {builtin}")
    return container


def _both(call: Call, body: Mapping[str, Any]) -> tuple[Network, Container]:
    container = names.container(call, shapes.text(shapes.member(body, "Container"), "Container"))
    return names.network(call, call["name"]), container


@endpoint("POST", "/networks/prune", since="1.25")
async def prune(call: Call) -> Json:
    filters = call.filters(_PRUNING)
    job = await begun(
        network_prune,
        user=call.user,
        host=call.host,
        until=selection.until(filters),
        labels=filters.get("label", ()),
        not_labels=filters.get("label!", ()),
    )
    return Json({"NetworksDeleted": (await done(job))["result"].get("removed") or None})
