"""`GET /containers/{id}/json`: everything that is known of a container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webui.containers.models import Container
from webui.dockerapi import execs_known, names, times
from webui.dockerapi.answers import Json
from webui.dockerapi.call import Call
from webui.dockerapi.containers import mounts, networking, sizes
from webui.dockerapi.containers.config import command_of, config
from webui.dockerapi.containers.hostconfig import host_config
from webui.dockerapi.containers.states import ALIVE, as_state, state_of
from webui.dockerapi.routing import endpoint
from webui.live.loop import in_thread
from webui.networks.models import Endpoint

_HIDDEN = "/containers"
"""Where a container's files lie on its host is nobody's business: these are paths that only look like it."""


@endpoint("GET", "/containers/{name:path}/json")
async def container_inspect(call: Call) -> Json:
    found = await in_thread(_inspect, call)
    found["ExecIDs"] = await execs_known.of_container(found["Id"])
    if call.flag("size"):
        await sizes.add(call.host, [found])
    return Json(found)


def _inspect(call: Call) -> dict[str, Any]:
    container = names.container(call, call["name"])
    image = names.images(call).filter(image_id=container.image_id).first() if container.image_id else None
    return inspected(call, container, {} if image is None else image.config)


def inspected(call: Call, container: Container, image: Mapping[str, Any]) -> dict[str, Any]:
    words = command_of(container.spec, image)
    is_alive = state_of(container) in ALIVE
    endpoints = Endpoint.objects.filter(container=container).select_related("network")
    networks = networking.settings_networks(container, endpoints, is_alive)
    where = f"{_HIDDEN}/{container.pk}"
    return {
        "Id": container.pk,
        "Created": times.rfc3339(container.created_at),
        "Path": words[0] if words else "",
        "Args": words[1:],
        "State": as_state(container),
        "Image": container.image_id,
        "ResolvConfPath": f"{where}/resolv.conf",
        "HostnamePath": f"{where}/hostname",
        "HostsPath": f"{where}/hosts",
        "LogPath": "",
        "Name": f"/{container.name}",
        "RestartCount": container.restart_count,
        "Driver": "overlay2",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": container.apparmor_profile,
        "ExecIDs": None,
        "HostConfig": _host_config(container.spec),
        "GraphDriver": {"Data": None, "Name": "overlay2"},
        "Mounts": mounts.shown(container.mounted, container.spec),
        "Config": config(container, image),
        "NetworkSettings": {
            **_bridge(networks),
            "Bridge": "",
            "SandboxID": container.pk if is_alive else "",
            "SandboxKey": "",
            "Ports": networking.settings_ports(container, image, is_alive),
            "HairpinMode": False,
            "LinkLocalIPv6Address": "",
            "LinkLocalIPv6PrefixLen": 0,
            "SecondaryIPAddresses": None,
            "SecondaryIPv6Addresses": None,
            "Networks": networks,
        },
    }


def _host_config(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **host_config(spec),
        **mounts.host_config(spec),
        "NetworkMode": networking.mode_of(spec),
        "PortBindings": networking.port_bindings(spec),
    }


def _bridge(networks: Mapping[str, Any]) -> dict[str, Any]:
    """The default network's, once more, where it was before there were others."""
    found = networks.get("bridge") or {}
    fields = ("EndpointID", "Gateway", "GlobalIPv6Address", "IPAddress", "IPv6Gateway", "MacAddress")
    numbers = ("GlobalIPv6PrefixLen", "IPPrefixLen")
    return {
        **{name: found.get(name, "") for name in fields},
        **{name: found.get(name, 0) for name in numbers},
    }
