"""`GET /containers/json`: what `docker ps` shows, with every filter of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import EngineError, InvalidArgument, NotFound
from engine.options import ports as port_words
from webui.containers.models import Container
from webui.dockerapi import names
from webui.dockerapi.answers import Json
from webui.dockerapi.call import Call
from webui.dockerapi.containers import mounts, networking, sizes
from webui.dockerapi.containers.config import command_of
from webui.dockerapi.containers.states import ALIVE, STATES, health_of, state_of, status_of
from webui.dockerapi.patterns import name_matches
from webui.dockerapi.routing import endpoint
from webui.dockerapi.selection import has_labels
from webui.images.models import Image
from webui.live.loop import in_thread

FILTERS = frozenset({
    "ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "name", "network",
    "publish", "since", "status", "volume",
})  # fmt: skip
_HEALTH = ("none", "starting", "healthy", "unhealthy")
Images = Mapping[str, Mapping[str, Any]]


@endpoint("GET", "/containers/json")
async def container_list(call: Call) -> Json:
    found = await in_thread(_list, call)
    if call.flag("size"):
        await sizes.add(call.host, found)
    return Json(found)


def _list(call: Call) -> list[dict[str, Any]]:
    filters = call.filters(FILTERS)
    limit = call.number("limit", 0) or 0
    rows = list(names.containers(call).prefetch_related("endpoints__network").order_by("-created_at", "-id"))
    images = image_configs(call, rows)
    keep = _kept(call, filters, rows, images)
    is_all = call.flag("all") or limit > 0 or "status" in filters
    found = []
    for row in rows:
        if limit > 0 and len(found) == limit:
            break
        if (is_all or state_of(row) in ALIVE) and keep(row):
            found.append(summary(call, row, images))
    return found


def image_configs(call: Call, rows: list[Container]) -> Images:
    """What the containers' images say, by their ids."""
    wanted = {row.image_id for row in rows if row.image_id}
    found = names.images(call).filter(image_id__in=wanted).values_list("image_id", "config")
    return dict(found)


def summary(call: Call, container: Container, images: Images) -> dict[str, Any]:
    """One of a list."""
    image = images.get(container.image_id, {})
    spec, is_alive = container.spec, state_of(container) in ALIVE
    host_config: dict[str, Any] = {"NetworkMode": networking.mode_of(spec)}
    if call.version >= (1, 46) and spec.get("annotations"):
        host_config["Annotations"] = spec["annotations"]
    return {
        "Id": container.pk,
        "Names": [f"/{container.name}"],
        "Image": container.image,
        "ImageID": container.image_id,
        "Command": shown_command(command_of(spec, image)),
        "Created": int(container.created_at.timestamp()),
        "Ports": networking.summary_ports(container, image, is_alive),
        "Labels": labels_of(container, image),
        "State": state_of(container),
        "Status": status_of(container),
        "HostConfig": host_config,
        "NetworkSettings": {"Networks": networking.settings_networks(container, container.endpoints.all(), is_alive)},
        "Mounts": mounts.shown(container.mounted, spec),
    }


def labels_of(container: Container, image: Mapping[str, Any]) -> dict[str, str]:
    return {**(image.get("labels") or {}), **(container.spec.get("labels") or {})}


def shown_command(words: list[str]) -> str:
    """One line, words with blanks in single quotes, as moby's view of a container."""
    return " ".join([*words[:1], *(f"'{word}'" if " " in word else word for word in words[1:])])


Test = Callable[[Container], bool]


def _kept(call: Call, filters: Mapping[str, list[str]], rows: list[Container], images: Images) -> Test:
    """A predicate of all filters together. Raises InvalidArgument for a value that can't be, NotFound as Docker."""
    makers: dict[str, Callable[[list[str]], Test]] = {
        "status": _status_test,
        "health": _health_test,
        "exited": _exit_test,
        "name": lambda values: lambda row: any(_matches(pattern, row.name) for pattern in values),
        "id": lambda values: lambda row: any(row.pk.startswith(prefix) for prefix in values),
        "label": lambda values: lambda row: has_labels(labels_of(row, images.get(row.image_id, {})), values),
        "volume": lambda values: lambda row: any(_has_mount(row, place) for place in values),
        "network": lambda values: lambda row: any(_is_on(row, network) for network in values),
        "ancestor": lambda values: _ancestor_test(call, values),
        "publish": lambda values: _port_test(values, "publish", "PublicPort", images),
        "expose": lambda values: _port_test(values, "expose", "PrivatePort", images),
        "is-task": lambda values: lambda row: values[0].lower() not in ("true", "1"),  # tasks are of a swarm
    }
    tests = [makers[name](values) for name, values in filters.items() if name in makers and values]
    tests += _neighbours(call, filters, rows)
    return lambda row: all(test(row) for test in tests)


def _one_of(name: str, values: list[str], choices: tuple[str, ...]) -> None:
    for value in values:
        if value not in choices:
            words = ", ".join(choices)
            raise InvalidArgument(f"invalid filter '{name}={value[:40]}': invalid value: must be one of {words}")


def _status_test(values: list[str]) -> Test:
    _one_of("status", values, STATES)
    return lambda row: state_of(row) in values


def _health_test(values: list[str]) -> Test:
    _one_of("health", values, _HEALTH)
    return lambda row: (health_of(row) or "none") in values


def _exit_test(values: list[str]) -> Test:
    codes = _codes(values)
    return lambda row: state_of(row) == "exited" and (row.exit_code or 0) in codes


def _neighbours(call: Call, filters: Mapping[str, list[str]], rows: list[Container]) -> list[Test]:
    """before, since: made before or after another one."""
    place = {row.pk: index for index, row in enumerate(rows)}  # the newest first
    tests: list[Test] = []
    for name in ("before", "since"):
        for value in filters.get(name, ()):
            other = place.get(names.container(call, value).pk, 0)
            tests.append(
                (lambda row, other=other: place[row.pk] > other)
                if name == "before"
                else (lambda row, other=other: place[row.pk] < other)
            )
    return tests


def _codes(values: list[str]) -> set[int]:
    try:
        return {int(value[:12]) for value in values}
    except ValueError:
        raise InvalidArgument(f"invalid filter 'exited={values[0][:40]}': give a number") from None


def _matches(pattern: str, name: str) -> bool:
    """A regular expression that may begin with the slash that names have in Docker's API."""
    return name_matches(pattern, name) or name_matches(pattern, f"/{name}")


def _has_mount(row: Container, place: str) -> bool:
    return any(place in (one.get("name"), one.get("source"), one.get("destination")) for one in row.mounted if place)


def _is_on(row: Container, network: str) -> bool:
    found = networking.settings_networks(row, row.endpoints.all(), True)
    return network in found or any(one["NetworkID"].startswith(network) for one in found.values() if network)


def _ancestor_test(call: Call, values: list[str]) -> Test:
    """By the images' names or ids."""
    found: list[Image | None] = []
    for value in values:
        try:
            found.append(names.find_image(call, value))
        except (InvalidArgument, NotFound):
            continue
    ids = {image.image_id for image in found if image is not None}
    return lambda row: row.image_id in ids


def _port_test(values: list[str], name: str, key: str, images: Images) -> Test:
    wanted = set()
    for value in values:
        try:
            wanted.update(port_words.exposed(value))
        except EngineError:
            raise InvalidArgument(f"error while looking up for {name} {value[:40]}: invalid port") from None

    def test(row: Container) -> bool:
        shown = networking.summary_ports(row, images.get(row.image_id, {}), state_of(row) in ALIVE)
        return any((one.get(key), one["Type"]) in wanted for one in shown)

    return test
