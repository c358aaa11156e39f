"""Containers as lists read them: the columns that are shown, without a model for each of a thousand rows."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from webui.accounts.roles import Rights
from webui.containers.models import Container, ObservedStatus
from webui.dockerapi import names
from webui.dockerapi.call import Call
from webui.hosts.models import Host
from webui.images.models import Image, ImageQuerySet
from webui.networks.models import Endpoint
from webui.prepared import Prepared

ALIVE = (ObservedStatus.RUNNING, ObservedStatus.PAUSED, ObservedStatus.RESTARTING)
_OF_SPEC = ("annotations", "command", "entrypoint", "expose", "labels", "network", "networks", "ports", "volumes")
FEW = 4
"""Up to so many are asked for one by one."""
SEVERAL = 200
"""Up to so many are named in one query; of more, all of the host's are read, of which there may be thousands."""
KEPT_CHARACTERS = 1 << 14
"""A longer specification is read each time: what thousands of them would take is no cache's to keep."""


class Row(NamedTuple):
    """Columns of a `Container`, by their names there; of `spec` only what lists show."""

    pk: str
    name: str
    image: str
    image_id: str
    host_id: str
    spec: Mapping[str, Any]
    desired_status: str
    observed_status: str
    ip_address: str | None
    networks_gone: list[dict[str, Any]]
    on_default: bool | None
    health: dict[str, Any] | None
    ports: list[dict[str, Any]]
    mounted: list[dict[str, Any]]
    exit_code: int | None
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None

    @property
    def short_id(self) -> str:
        return self.pk[:12]


class OnNetwork(NamedTuple):
    """Columns of a `Network`."""

    name: str
    network_id: str
    subnet: str
    gateway: str
    subnet6: str
    gateway6: str


class Place(NamedTuple):
    """The same of an `Endpoint`."""

    ip: str
    ip6: str
    mac: str
    aliases: list[str]
    asked: dict[str, str]
    network: OnNetwork


Shown = Container | Row
"""What functions that look at one container take."""
Images = Mapping[str, Mapping[str, Any]]
"""Configs by the images' ids."""
Places = Mapping[str, Sequence[Place]]
"""Each container's places on networks of a name, by its id."""


def listed(call: Call, *, alive: bool = False, limit: int | None = None) -> list[Row]:
    """Those of the host that the user sees, the newest first; with `alive` those that run, are paused or restart."""
    found = names.containers(call).select_related(None)
    if alive:
        found = found.filter(observed_status__in=ALIVE)
    found = found.annotate(text=Cast("spec", TextField())).order_by("-created_at", "-id")
    columns: QuerySet[Any] = found.values_list(*("text" if name == "spec" else name for name in Row._fields))
    return [row._replace(spec=_spec(row.spec)) for row in map(Row._make, columns[:limit])]


def _spec(text: Any) -> Mapping[str, Any]:
    return _known_spec(text) if len(text) <= KEPT_CHARACTERS else _spec_of(text)


def _spec_of(text: Any) -> Mapping[str, Any]:
    whole = json.loads(text)
    return {name: whole[name] for name in _OF_SPEC if whole.get(name) is not None}


_known_spec = lru_cache(4096)(_spec_of)
"""What is asked for hardly ever changes, and reading it is a third of what a list of a thousand costs."""


def images_of(call: Call, rows: Sequence[Row]) -> Images:
    """Of the images of these containers those that the user sees."""
    wanted = {row.image_id for row in rows if row.image_id}
    rights, team, view = Rights(call.user), call.host.team_id, ImageQuerySet.view_action
    sees_all = view in rights.of(team, host=call.host)
    found: dict[str, Mapping[str, Any]] = {}
    for image_id, tags, config in _configs(call.host, wanted):
        repositories = {tag.rpartition(":")[0] for tag in tags}
        if sees_all or view in rights.of(team, host=call.host, repository=repositories):
            found[image_id] = config
    return found


def _configs(host: Host, wanted: Collection[str]) -> Iterable[tuple[Any, ...]]:
    if len(wanted) <= FEW:
        return [row for image_id in wanted for row in _IMAGE.rows(host.pk, host.team_id, image_id)]
    if len(wanted) <= SEVERAL:
        return _CONFIGS.filter(host=host, team=host.team_id, image_id__in=wanted)
    return _IMAGES.rows(host.pk, host.team_id)


def places_of(call: Call, rows: Sequence[Row]) -> Places:
    if len(rows) <= FEW:
        every: Iterable[tuple[Any, ...]] = [place for row in rows for place in _PLACES_OF_ONE.rows(row.pk)]
    elif len(rows) <= SEVERAL:
        every = _ENDPOINTS.filter(container__in=[row.pk for row in rows])
    else:
        every = _PLACES.rows(call.host.pk)
    found: dict[str, list[Place]] = {}
    for container, ip, ip6, mac, aliases, asked, *network in every:
        found.setdefault(container, []).append(Place(ip, ip6, mac, aliases, asked, OnNetwork(*network)))
    return found


_CONFIGS = Image.objects.order_by().values_list("image_id", "tags", "config")
_IMAGES = Prepared(_CONFIGS, "host_id", "team_id")
_IMAGE = Prepared(_CONFIGS, "host_id", "team_id", "image_id")
_ENDPOINTS = Endpoint.objects.order_by("id").values_list(
    "container_id", *Place._fields[:-1], *(f"network__{name}" for name in OnNetwork._fields)
)
_PLACES = Prepared(_ENDPOINTS, "network__host_id")
_PLACES_OF_ONE = Prepared(_ENDPOINTS, "container_id")
