"""Networks: the list, one of them, and the three that every host has."""

from __future__ import annotations

from typing import Any

from engine.errors import NotFound
from engine.options import modes
from engine.options.networks import default_place
from webui.containers.default_network import is_on_default
from webui.containers.models import Container, ObservedStatus
from webui.dockerapi import names, selection
from webui.dockerapi.answers import Json
from webui.dockerapi.call import Call
from webui.dockerapi.containers.networking import mode_of
from webui.dockerapi.objects.networks import (
    PREDEFINED,
    OwnNetwork,
    network_object,
    predefined_id,
    predefined_object,
)
from webui.dockerapi.routing import endpoint
from webui.live.loop import in_thread

_ALIVE = (ObservedStatus.RUNNING, ObservedStatus.PAUSED, ObservedStatus.RESTARTING)
ID_LEAST = 4
"""Digits of an id's beginning that mean one of the three."""


@endpoint("GET", "/networks")
async def network_list(call: Call) -> Json:
    filters = call.filters(selection.NETWORKS)
    return Json(await in_thread(_list, call, filters))


def _list(call: Call, filters: selection.Filters) -> list[dict[str, Any]]:
    rows = names.networks(call).prefetch_related("endpoints").order_by("name")
    own = [network_object(one, call.version) for one in selection.networks(rows, filters)]
    chosen = selection.predefined(lambda name: predefined_id(call.host.pk, name), filters)
    return own + [predefined_object(call.host, name, call.version) for name in chosen]


@endpoint("GET", "/networks/{name:path}")
async def network_one(call: Call) -> Json:
    return Json(await in_thread(_one, call, call["name"]))


def _one(call: Call, name: str) -> dict[str, Any]:
    builtin = predefined_name(call, name)
    if builtin is None:
        network = names.network(call, name)
        return network_object(network, call.version, is_whole=True)
    if call.text("scope") not in ("", "local"):
        raise NotFound(f"network {name} not found")
    containers = [one for one in _running(call) if _has(one, builtin)]
    return predefined_object(call.host, builtin, call.version, own=_own(containers), containers=containers)


def predefined_name(call: Call, text: str) -> str | None:
    """Which of bridge, host and none a name or the beginning of an id means, if one of them."""
    if text in PREDEFINED:
        return text
    if len(text) < ID_LEAST:
        return None
    return next((name for name in PREDEFINED if predefined_id(call.host.pk, name).startswith(text)), None)


def _running(call: Call) -> list[Container]:
    return list(names.containers(call).filter(observed_status__in=_ALIVE))


def _has(container: Container, name: str) -> bool:
    mode = mode_of(container.spec)
    return is_on_default(container.on_default, mode) if name == modes.BRIDGE else mode == name


def _own(containers: list[Container]) -> OwnNetwork:
    """The host's default network, as far as the containers on it tell."""
    for container in containers:
        place = default_place(container.ip_address or "")
        if place.subnet:
            return OwnNetwork(place.subnet, place.gateway)
    return OwnNetwork()
