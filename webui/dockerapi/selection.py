"""Which images, networks and volumes the filters of a list or a pruning mean.

Source: Docker's reference of `docker images`, `network ls`, `volume ls` and their `prune`; of each filter one of its
values has to fit, of labels all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime

from django.utils import timezone

from engine.errors import InvalidArgument
from engine.options.labels import are_meant, has_all
from webui.dockerapi.objects.networks import PREDEFINED
from webui.dockerapi.patterns import name_matches, reference_matches
from webui.dockerapi.until import moment
from webui.images.models import Image
from webui.networks.models import Network
from webui.volumes.models import Volume

Filters = Mapping[str, Sequence[str]]
IMAGES = frozenset({"before", "dangling", "label", "label!", "reference", "since", "until"})
SEARCH = frozenset({"is-automated", "is-official", "stars"})
NETWORKS = frozenset({"dangling", "driver", "id", "label", "name", "scope", "type"})
VOLUMES = frozenset({"dangling", "driver", "label", "name"})


def flag(filters: Filters, name: str, default: bool | None = None) -> bool | None:
    """What a filter that is true or false says. Raises InvalidArgument in Docker's words for anything else."""
    values = filters.get(name)
    if values is None:
        return default
    found = {value in ("1", "true") for value in values if value in ("0", "1", "true", "false")}
    if len(found) != 1 or any(value not in ("0", "1", "true", "false") for value in values):
        raise InvalidArgument(f"invalid filter '{name}={list(values)}'")
    return found.pop()


def until(filters: Filters, now: datetime | None = None) -> float | None:
    """The moment that `until` means, in Unix seconds. Raises InvalidArgument."""
    return moment(list(filters.get("until", ())), now or timezone.now())


def images(rows: Iterable[Image], filters: Filters, find: Callable[[str], Image]) -> list[Image]:
    """Those that fit; with `reference` their names are only those that do. `find` raises NotFound for a name.

    Raises InvalidArgument.
    """
    dangling, before = flag(filters, "dangling"), until(filters)
    for name in ("before", "since"):
        if len(filters.get(name, ())) > 1:
            raise InvalidArgument(f"invalid filter '{name}={list(filters[name])}'")
    older, newer = _made(filters, "before", find), _made(filters, "since", find)
    found = []
    for image in rows:
        labels, made = image.config.get("labels") or {}, image.built_at
        if dangling is not None and dangling != (not image.tags and not image.digests):
            continue
        if not are_meant(labels, filters.get("label", ()), filters.get("label!", ())):
            continue
        if before is not None and (made is None or made.timestamp() > before):
            continue
        if (older and (made is None or made >= older)) or (newer and (made is None or made <= newer)):
            continue
        if "reference" in filters and not _narrow(image, filters["reference"]):
            continue
        found.append(image)
    return found


def _made(filters: Filters, name: str, find: Callable[[str], Image]) -> datetime | None:
    values = filters.get(name)
    return find(values[0]).built_at if values else None


def _narrow(image: Image, wanted: Sequence[str]) -> bool:
    image.tags = [tag for tag in image.tags if any(reference_matches(one, tag) for one in wanted)]
    image.digests = [
        digest for digest in image.digests if any(reference_matches(one, digest.partition("@")[0]) for one in wanted)
    ]
    return bool(image.tags or image.digests)


def networks(rows: Iterable[Network], filters: Filters) -> list[Network]:
    """Those that fit, of the ones that people have made. Raises InvalidArgument."""
    dangling = flag(filters, "dangling")
    return [
        network
        for network in rows
        if _fits(filters, name=network.name, id=network.network_id, driver=network.driver, labels=network.labels)
        and _is_wanted(filters, "custom")
        and (dangling is None or dangling == (not network.endpoints.all()))
    ]


def predefined(identify: Callable[[str], str], filters: Filters) -> list[str]:
    """The names of those of bridge, host and none that fit; `identify`: name → id. Raises InvalidArgument."""
    if flag(filters, "dangling") or not _is_wanted(filters, "builtin"):
        return []
    drivers = {"none": "null"}
    return [
        name
        for name in PREDEFINED
        if _fits(filters, name=name, id=identify(name), driver=drivers.get(name, name), labels={})
    ]


def _fits(filters: Filters, *, name: str, id: str, driver: str, labels: Mapping[str, str]) -> bool:
    if "driver" in filters and driver not in filters["driver"]:
        return False
    if "scope" in filters and "local" not in filters["scope"]:
        return False
    if "name" in filters and not any(name_matches(one, name) for one in filters["name"]):
        return False
    if "id" in filters and not any(name_matches(one, id) for one in filters["id"]):
        return False
    return has_all(labels, filters.get("label", ()))


def _is_wanted(filters: Filters, kind: str) -> bool:
    values = filters.get("type", ())
    for value in values:
        if value not in ("builtin", "custom"):
            raise InvalidArgument(f"invalid filter: 'type'='{value}'")
    return not values or kind in values


def volumes(rows: Iterable[Volume], filters: Filters, is_used: Callable[[Volume], bool]) -> list[Volume]:
    """Those that fit. Raises InvalidArgument."""
    dangling = flag(filters, "dangling")
    return [
        volume
        for volume in rows
        if ("driver" not in filters or volume.driver in filters["driver"])
        and ("name" not in filters or any(name_matches(one, volume.name) for one in filters["name"]))
        and has_all(volume.labels, filters.get("label", ()))
        and (dangling is None or dangling != is_used(volume))
    ]
