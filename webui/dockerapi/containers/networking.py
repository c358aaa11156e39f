"""Networks and ports of a container: what create asks for, and what inspect and lists show."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import lru_cache
from ipaddress import ip_network
from typing import Any

from engine.errors import EngineError, InvalidArgument, Unsupported
from engine.options import modes, networks, ports, refused
from webui.containers.default_network import is_on_default
from webui.containers.models import ObservedStatus
from webui.dockerapi import shapes
from webui.dockerapi.containers.rows import Shown
from webui.dockerapi.objects.networks import endpoint_id, predefined_id

DEFAULTS = ("", "default", "bridge")
_WORDS = ("host", "none", "bridge", "default", "")
_NOT_MADE = (ObservedStatus.PENDING, ObservedStatus.CREATING)
"""Then a host has not said yet where the container is."""
UNPUBLISHED = (modes.HOST, modes.NONE)
"""Where Docker discards what is to be published; the rest of the site refuses it."""


# ---- create


def wishes(host_config: Mapping[str, Any], config: Mapping[str, Any], networking: Mapping[str, Any]) -> dict[str, Any]:
    """`network`, `networks` and what belongs to them; `ports`, `expose`. Raises InvalidArgument."""
    mode = shapes.text(shapes.member(host_config, "NetworkMode"), "NetworkMode")
    if shapes.flag(shapes.member(config, "NetworkDisabled"), "NetworkDisabled"):
        mode = "none"
    endpoints = shapes.mapping(shapes.member(networking, "EndpointsConfig"), "EndpointsConfig")
    settings = {name: shapes.mapping(value, f"EndpointsConfig.{name}") for name, value in endpoints.items()}
    found: dict[str, Any] = {"network": "bridge" if mode in DEFAULTS else mode}
    if mode in _WORDS or mode.startswith(modes.CONTAINER):
        others = [name for name in settings if name not in _WORDS]
        if others and mode in DEFAULTS and set(settings) == set(others):
            found["network"], others = others[0], others[1:]  # as older clients say which one they mean
            found.update(joining(settings[found["network"]]))
    else:
        main = settings.get(mode, {})
        others = [name for name in settings if name != mode and name not in _WORDS]
        found.update(joining(main))
    if mac := shapes.text(shapes.member(config, "MacAddress"), "MacAddress"):
        found.setdefault("mac_address", mac)
    if not networks.is_name(found["network"]):
        for name in _WORDS:
            found.update(joining(settings.get(name) or {}))
        refuse_places(found)
    found["networks"] = [_text(name, settings[name]) for name in others]
    if links := _links(host_config, settings):
        if not networks.is_name(found["network"]):
            raise Unsupported(
                "Links: containers of the default network have no names for each other: let both join a network of a "
                "name (docker network create, then --network NAME), where each is found by its own name as well"
            )
        found["link"] = links
    found.update(_ports(host_config, config, is_published=found["network"] not in UNPUBLISHED))
    return found


def _links(host_config: Mapping[str, Any], settings: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """--link, in whatever way clients say it; docker-compose does so once for each network."""
    found = list(shapes.strings(shapes.member(host_config, "Links"), "Links") or ())
    for name, endpoint in settings.items():
        found += shapes.strings(shapes.member(endpoint, "Links"), f"EndpointsConfig.{name}.Links") or ()
    return list(dict.fromkeys(found))


def refuse_places(found: dict[str, Any]) -> None:
    """Take out what belongs to a network of a name; InvalidArgument, in Docker's words where it has some, if asked for.

    Whoever makes a container like another passes on what inspect says: a MAC of our own making is no wish.
    """
    if found.pop("ip", None) or found.pop("ip6", None):
        raise InvalidArgument("user specified IP address is supported on user defined networks only")
    if found.pop("network_alias", None):
        raise InvalidArgument("network-scoped alias is supported only for containers in user defined networks")
    mac = found.pop("mac_address", "")
    if mac and not networks.is_reckoned(mac):
        raise InvalidArgument(
            f"mac-address: on network {found['network']} it is not chosen; put the container on a network of a name, "
            "where it can be"
        )


def joining(endpoint: Mapping[str, Any]) -> dict[str, Any]:
    """How one container joins a network, in the words of a request, of Docker's EndpointSettings; without what isn't
    said. Raises InvalidArgument, Unsupported."""
    ipam = shapes.mapping(shapes.member(endpoint, "IPAMConfig"), "IPAMConfig")
    if shapes.member(ipam, "LinkLocalIPs"):
        raise Unsupported(f"LinkLocalIPs: {refused.sentence('link_local_ip')}")
    found = {
        "network_alias": shapes.strings(shapes.member(endpoint, "Aliases"), "Aliases"),
        "ip": shapes.text(shapes.member(ipam, "IPv4Address"), "IPv4Address"),
        "ip6": shapes.text(shapes.member(ipam, "IPv6Address"), "IPv6Address"),
        "mac_address": shapes.text(shapes.member(endpoint, "MacAddress"), "MacAddress"),
    }
    return {name: value for name, value in found.items() if value}


def _text(name: str, endpoint: Mapping[str, Any]) -> str:
    """One further network in the words of `engine.options.networks`."""
    found = joining(endpoint)
    parts = [f"{key}={found[field]}" for key, field in (("ip", "ip"), ("ip6", "ip6"), ("mac", "mac_address"))
             if field in found]  # fmt: skip
    parts += [f"alias={alias}" for alias in found.get("network_alias", ())]
    return f"{name}:{','.join(parts)}" if parts else name


def _ports(host_config: Mapping[str, Any], config: Mapping[str, Any], *, is_published: bool) -> dict[str, Any]:
    """`ports` and `expose`; what can't be published is read all the same, since what can't be read is refused."""
    exposed = shapes.mapping(shapes.member(config, "ExposedPorts"), "ExposedPorts")
    bindings = shapes.mapping(shapes.member(host_config, "PortBindings"), "PortBindings")
    published = []
    for port, given in bindings.items():
        number, protocol = _port(port)
        for one in shapes.objects(given, f"PortBindings.{port}") or [{}]:
            address = shapes.text(shapes.member(one, "HostIp"), "HostIp")
            outside = shapes.text(shapes.member(one, "HostPort"), "HostPort")
            entry = {"container": number, "protocol": protocol, **_outside(outside)}
            published.append({**entry, "address": address} if address else entry)
    found: dict[str, Any] = {"ports": published} if published and is_published else {}
    inside = {f"{one['container']}/{one['protocol']}" for one in found.get("ports", ())}
    expose = [port for port in exposed if port not in inside]
    return {**found, "expose": expose} if expose else found


def _port(text: str) -> tuple[int, str]:
    try:
        (found,) = ports.exposed(text)
    except (EngineError, ValueError):
        raise InvalidArgument(f"invalid port specification: {text[:60]!r}") from None
    return found


def _outside(text: str) -> dict[str, int]:
    """A port of the host; of a range (`8000-8010`) the first that is free; nothing for any."""
    first, _, last = text.partition("-")
    if not first or first == "0":
        return {}
    if not all(word.isascii() and word.isdigit() and 0 < int(word[:6]) < 65536 for word in (first, last or first)):
        raise InvalidArgument(f"invalid port specification: {text[:60]!r}")
    return {"host": int(first), **({"host_last": int(last)} if last and last != first else {})}


# ---- inspect and lists


def mode_of(spec: Mapping[str, Any]) -> str:
    """`NetworkMode`."""
    network = str(spec.get("network") or "bridge")
    return network if not networks.is_name(network) else networks.read(network).network


def port_bindings(spec: Mapping[str, Any]) -> dict[str, list[dict[str, str]]]:
    """As they were asked for."""
    found: dict[str, list[dict[str, str]]] = {}
    for port in spec.get("ports") or ():
        host = "" if port.get("host") is None else str(port["host"])
        if port.get("host_last") is not None:
            host = f"{host}-{port['host_last']}"
        found.setdefault(_key(port), []).append({"HostIp": port.get("address") or "", "HostPort": host})
    return found


def exposed_ports(spec: Mapping[str, Any], image: Mapping[str, Any]) -> dict[str, Any]:
    """`ExposedPorts`: the image's, those that were asked for, and those that are published."""
    exposed = _exposed(tuple(image.get("exposed_ports") or ()), tuple(spec.get("expose") or ()))
    found = {*exposed, *(_key(port) for port in spec.get("ports") or ())}
    return {port: {} for port in sorted(found, key=_order)}


@lru_cache(1024)  # containers of a list have few images
def _exposed(image: tuple[str, ...], wish: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(f"{number}/{protocol}" for number, protocol in ports.all_exposed(image, wish))
    except EngineError:
        return ()


def settings_ports(container: Shown, image: Mapping[str, Any], is_alive: bool) -> dict[str, Any]:
    """`NetworkSettings.Ports`: where each port is published while it runs; null for those that aren't."""
    if not is_alive:
        return {}
    found: dict[str, Any] = dict.fromkeys(exposed_ports(container.spec, image))
    for port in container.ports:
        binding = {"HostIp": port.get("address") or "", "HostPort": str(port.get("host") or "")}
        found[_key(port)] = [*(found.get(_key(port)) or ()), binding]
    return found


def summary_ports(container: Shown, image: Mapping[str, Any], is_alive: bool) -> list[dict[str, Any]]:
    """`Ports` of a list."""
    found = []
    for port, bindings in settings_ports(container, image, is_alive).items():
        number, _, protocol = port.partition("/")
        inside = {"PrivatePort": int(number), "Type": protocol}
        found += [
            {"IP": one["HostIp"], "PrivatePort": int(number), "PublicPort": int(one["HostPort"] or 0), "Type": protocol}
            for one in bindings or ()
        ] or [inside]
    return found


def settings_networks(container: Shown, endpoints: Iterable[Any], is_alive: bool) -> dict[str, Any]:
    """`NetworkSettings.Networks`, by name. `endpoints`: the container's, with their networks."""
    mode = mode_of(container.spec)
    asked = _asked(container.spec)
    found: dict[str, Any] = {
        gone["network"]: _endpoint(
            container, network_id=gone["network_id"], asked=asked.get(gone["network"]), aliases=gone["aliases"] or ()
        )
        for gone in container.networks_gone
    }
    for endpoint in endpoints:
        network = endpoint.network
        found[network.name] = _endpoint(
            container,
            network_id=network.network_id,
            asked=_wished(endpoint) or asked.get(network.name) or asked.get(network.network_id),
            ip=endpoint.ip if is_alive else "",
            subnet=network.subnet,
            gateway=network.gateway,
            mac=endpoint.mac if is_alive else "",
            ip6=endpoint.ip6 if is_alive else "",
            subnet6=network.subnet6,
            gateway6=network.gateway6,
            aliases=endpoint.aliases,
        )
    if is_on_default(container.on_default, mode):
        ip = container.ip_address or ""
        place = networks.default_place(ip) if is_alive else networks.DefaultPlace()
        found.setdefault(
            "bridge",
            _endpoint(
                container,
                network_id=predefined_id(str(container.host_id), "bridge"),
                ip=ip if is_alive else "",
                subnet=place.subnet,
                gateway=place.gateway,
                mac=place.mac,
            ),
        )
    elif mode in ("host", "none"):
        found[mode] = _endpoint(container, network_id=predefined_id(str(container.host_id), mode))
    elif networks.is_name(mode) and not found and container.observed_status in _NOT_MADE:
        for name, joining in asked.items():
            found[name] = _endpoint(container, network_id="", asked=joining)
    return found


def _wished(endpoint: Any) -> networks.Joining | None:
    """The addresses that were asked for when it joined."""
    return networks.Joining(network=endpoint.network.name, **endpoint.asked) if endpoint.asked else None


def _asked(spec: Mapping[str, Any]) -> dict[str, networks.Joining]:
    texts = [str(spec.get("network") or ""), *(spec.get("networks") or ())]
    every = [_joining(text) for index, text in enumerate(texts) if index > 0 or networks.is_name(text)]
    if every and every[0] is not None and networks.is_name(texts[0]):  # what is said of the main one, field by field
        first = every[0]
        every[0] = replace(first, ip=spec.get("ip") or first.ip, ip6=spec.get("ip6") or first.ip6)
    return {joining.network: joining for joining in every if joining is not None}


@lru_cache(4096)
def _joining(text: str) -> networks.Joining | None:
    try:
        return networks.read(text)
    except EngineError:
        return None


def _endpoint(
    container: Shown,
    *,
    network_id: str,
    asked: networks.Joining | None = None,
    ip: str = "",
    subnet: str = "",
    gateway: str = "",
    mac: str = "",
    ip6: str = "",
    subnet6: str = "",
    gateway6: str = "",
    aliases: Iterable[str] = (),
) -> dict[str, Any]:
    ipam = {} if asked is None else {"IPv4Address": asked.ip, "IPv6Address": asked.ip6}
    given = {name: value for name, value in ipam.items() if value}
    names = list(aliases)
    links = list(container.spec.get("link") or ())
    endpoint = endpoint_id(network_id, container.pk) if ip else ""
    return {
        "IPAMConfig": given or None,
        "Links": links or None,
        "Aliases": names or None,
        "MacAddress": mac,
        "DriverOpts": None,
        "GwPriority": 0,
        "NetworkID": network_id,
        "EndpointID": endpoint,
        "Gateway": gateway if ip else "",
        "IPAddress": ip,
        "IPPrefixLen": _prefix(subnet) if ip else 0,
        "IPv6Gateway": gateway6 if ip6 else "",
        "GlobalIPv6Address": ip6,
        "GlobalIPv6PrefixLen": _prefix(subnet6) if ip6 else 0,
        "DNSNames": list(dict.fromkeys([container.name, *names, container.short_id])) if names or asked else None,
    }


@lru_cache(1024)
def _prefix(subnet: str) -> int:
    try:
        return ip_network(subnet).prefixlen
    except ValueError:
        return 0


def _key(port: Mapping[str, Any]) -> str:
    return f"{port.get('container')}/{port.get('protocol') or 'tcp'}"


def _order(port: str) -> tuple[int, str]:
    number, _, protocol = port.partition("/")
    return (int(number) if number.isdigit() else 0), protocol
