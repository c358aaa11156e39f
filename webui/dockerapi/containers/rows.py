"""Containers as lists read them: the columns that are shown, without a model for each of a thousand rows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from webui.containers.models import Container, ObservedStatus
from webui.dockerapi import names
from webui.dockerapi.call import Call
from webui.networks.models import Endpoint, Network

ALIVE = (ObservedStatus.RUNNING, ObservedStatus.PAUSED, ObservedStatus.RESTARTING)
_OF_SPEC = ("annotations", "command", "entrypoint", "expose", "labels", "network", "networks", "ports", "volumes")
FEW = 200
"""Up to so many containers are named one by one where their places on networks are asked for."""


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


class Place(NamedTuple):
    """The same of an `Endpoint`."""

    network: Network
    ip: str
    ip6: str
    mac: str
    aliases: list[str]


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


@lru_cache(4096)
def _spec(text: Any) -> Mapping[str, Any]:
    """What is asked for hardly ever changes, and reading it is a third of what a list of a thousand costs."""
    whole = json.loads(text)
    return {name: whole[name] for name in _OF_SPEC if whole.get(name) is not None}


def images_of(call: Call, rows: Sequence[Row]) -> Images:
    wanted = {row.image_id for row in rows if row.image_id}
    found = names.images(call)
    if len(wanted) <= FEW:
        found = found.filter(image_id__in=wanted)
    return dict(found.values_list("image_id", "config"))


def places_of(call: Call, rows: Sequence[Row]) -> Places:
    endpoints = Endpoint.objects.filter(network__host=call.host)
    if len(rows) <= FEW:
        endpoints = endpoints.filter(container__in=[row.pk for row in rows])
    fields = ("container_id", "network_id", *Place._fields[1:])
    read = list(endpoints.order_by("id").values_list(*fields))
    networks = Network.objects.in_bulk({network for _, network, *_ in read})
    found: dict[str, list[Place]] = {}
    for container, network, *rest in read:
        found.setdefault(container, []).append(Place(networks[network], *rest))
    return found
