"""Which images, networks and volumes the filters of a list or a pruning mean.

Source: Docker's reference of `docker images`, `network ls`, `volume ls` and their `prune`; of each filter one of its
values has to fit, of labels all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.dateparse import parse_datetime

from engine.errors import InvalidArgument
from webui.dockerapi.objects.networks import PREDEFINED
from webui.dockerapi.patterns import name_matches, reference_matches
from webui.images.models import Image
from webui.networks.models import Network
from webui.volumes.models import Volume

Filters = Mapping[str, Sequence[str]]
IMAGES = frozenset({"before", "dangling", "label", "label!", "reference", "since", "until"})
NETWORKS = frozenset({"dangling", "driver", "id", "label", "name", "scope", "type"})
VOLUMES = frozenset({"dangling", "driver", "label", "name"})
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|us|µs|ns)")


def flag(filters: Filters, name: str, default: bool | None = None) -> bool | None:
    """What a filter that is true or false says. Raises InvalidArgument in Docker's words for anything else."""
    values = filters.get(name)
    if values is None:
        return default
    found = {value in ("1", "true") for value in values if value in ("0", "1", "true", "false")}
    if len(found) != 1 or any(value not in ("0", "1", "true", "false") for value in values):
        raise InvalidArgument(f"invalid filter '{name}={list(values)}'")
    return found.pop()


def until(filters: Filters, now: datetime | None = None) -> datetime | None:
    """The moment that `until` means: RFC 3339, Unix seconds, or a duration such as 1h30m ago."""
    values = filters.get("until")
    if not values:
        return None
    if len(values) > 1:
        raise InvalidArgument("more than one until filter specified")
    text = values[0]
    if _DURATION.sub("", text) == "" and text:
        seconds = sum(float(number) * _UNITS[unit] for number, unit in _DURATION.findall(text))
        return _moment(lambda: (now or timezone.now()) - timedelta(seconds=seconds), text)
    if re.fullmatch(r"\d{1,12}(\.\d{1,9})?", text):
        return _moment(lambda: datetime.fromtimestamp(float(text), timezone.get_current_timezone()), text)
    moment = _moment(lambda: parse_datetime(text if "T" in text else f"{text}T00:00:00"), text)
    if moment is None:
        raise InvalidArgument(f'failed to parse value as time or duration: "{text[:60]}"')
    return moment if timezone.is_aware(moment) else timezone.make_aware(moment)


def _moment(reckon: Callable[[], datetime | None], text: str) -> datetime | None:
    try:
        return reckon()
    except (ValueError, OverflowError) as error:
        raise InvalidArgument(f'failed to parse value as time or duration: "{text[:60]}"') from error


def has_labels(present: Mapping[str, str], wanted: Sequence[str]) -> bool:
    """Whether all of `wanted` (NAME or NAME=VALUE) are there."""
    parts = [label.partition("=") for label in wanted]
    return all(key in present and (not equals or present[key] == value) for key, equals, value in parts)


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
        if not has_labels(labels, filters.get("label", ())):
            continue
        if filters.get("label!") and has_labels(labels, filters["label!"]):
            continue
        if before is not None and (made is None or made > before):
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
    return has_labels(labels, filters.get("label", ()))


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
        and has_labels(volume.labels, filters.get("label", ()))
        and (dangling is None or dangling != is_used(volume))
    ]
