"""Networks on all hosts; what is done with them goes to REST."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from engine.options.networks import MODES
from webui.accounts.roles import Rights
from webui.hosts.models import Host
from webui.hosts.representation import host_as_json
from webui.networks.addresses import CELLS, Cell, cells_of, use_of
from webui.networks.models import Network
from webui.networks.representation import network_as_json
from webui.networks.topology import topology_of
from webui.pages.examples import network_example
from webui.pages.page import page

PAGE_SIZE = 100


@page("pages/networks.html", section="networks")
def networks(request: HttpRequest) -> dict[str, Any]:
    visible = Network.objects.visible_to(request.user).select_related("host", "team")
    query = request.GET.get("q", "").strip()[:200]
    found = visible.filter(Q(name__icontains=query) | Q(subnet__contains=query)) if query else visible
    shown = Paginator(found.prefetch_related("endpoints__container"), PAGE_SIZE).get_page(request.GET.get("page"))
    rights = Rights(request.user)
    hosts = Host.objects.visible_to(request.user).select_related("team")
    return {
        "query": query,
        "status": "",
        "page": shown,
        "total": visible.count(),
        "networks": [network_as_json(one) | {"may_create": _may_create(rights, one)} for one in shown.object_list],
        "hosts": [host_as_json(host) for host in hosts],
        "may_create": _may_create_somewhere(request),
        "network_modes": MODES,
        "network_example": network_example(request),
    }


@page("pages/topology.html", section="networks")
def topology(request: HttpRequest) -> dict[str, Any]:
    host = request.GET.get("host", "")[:80]
    found = Host.objects.visible_to(request.user).filter(Q(pk=host) | Q(name=host)).first() if host else None
    return {
        "topology": topology_of(request.user, found),
        "may_create": _may_create_somewhere(request),
        "network_example": network_example(request),
    }


@page("pages/network.html", section="networks")
def network(request: HttpRequest, network_id: int) -> dict[str, Any]:
    visible = Network.objects.visible_to(request.user).select_related("host", "team")
    found = get_object_or_404(visible.prefetch_related("endpoints__container"), pk=network_id)
    row = network_as_json(found)
    # Addresses of containers that are another team's are taken as well, whoever has them is not told.
    names = {one["ip"]: one["name"] for one in row["containers"]}
    taken = {one.ip: names.get(one.ip, "") for one in found.endpoints.all()}
    subnet = (found.subnet, found.gateway, found.ip_range)
    return {
        "network": row,
        "created_at": found.created_at,
        "use": use_of(*subnet, taken),
        "squares": squares(cells_of(*subnet, taken)),
        "may_create": _may_create(Rights(request.user, found.team), found),
        "host_online": found.host.is_online,
    }


def _may_create(rights: Rights, network: Network) -> bool:
    """Whether its buttons, which connect and remove, are shown."""
    return rights.of(network.team_id, host=network.host_id) >= {"networks.connect", "networks.remove"}


def _may_create_somewhere(request: HttpRequest) -> bool:
    return Host.objects.visible_to(request.user, "networks.create").exists()


COLUMNS, PITCH = 32, 10


def squares(cells: list[Cell]) -> dict[str, Any]:
    """The picture of a subnet: a square for each cell with its place, in units of its own."""
    columns = COLUMNS if len(cells) >= CELLS // 2 else max(1, min(16, len(cells)))
    placed = [
        {"x": index % columns * PITCH, "y": index // columns * PITCH, "cell": cell, "words": _words(cell)}
        for index, cell in enumerate(cells)
    ]
    rows = -(-len(cells) // columns)
    return {"width": columns * PITCH - 1, "height": rows * PITCH - 1, "cells": placed}


def _words(cell: Cell) -> str:
    where = cell.first if cell.first == cell.last else f"{cell.first} to {cell.last}"
    who = ", ".join(name for name in cell.who if name) or ("taken" if cell.who else "")
    kinds = {"edge": "nobody's", "gateway": "the gateway", "free": "free", "outside": "outside of the range"}
    return f"{where}: {who or kinds.get(cell.kind, '')}"
