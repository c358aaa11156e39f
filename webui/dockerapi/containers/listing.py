"""`GET /containers/json`: what `docker ps` shows, with every filter of it."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from engine.errors import EngineError, InvalidArgument, NotFound
from engine.options import ports as port_words
from engine.options.labels import has_all
from webui.dockerapi import names
from webui.dockerapi.answers import Json
from webui.dockerapi.call import Call
from webui.dockerapi.containers import mounts, networking, rows, sizes
from webui.dockerapi.containers.config import command_of
from webui.dockerapi.containers.rows import Images, Places, Row, Shown
from webui.dockerapi.containers.states import ALIVE, STATES, health_of, state_of, status_of
from webui.dockerapi.patterns import name_matches
from webui.dockerapi.routing import endpoint
from webui.images.models import Image
from webui.live.loop import in_thread

FILTERS = frozenset({
    "ancestor", "before", "exited", "expose", "health", "id", "is-task", "isolation", "label", "name", "network",
    "publish", "since", "status", "volume",
})  # fmt: skip
_HEALTH = ("none", "starting", "healthy", "unhealthy")
MOST = 1 << 30
"""More than there will ever be, and no more than a database takes for a limit."""


@endpoint("GET", "/containers/json")
async def container_list(call: Call) -> Json:
    found = await in_thread(listed, call)
    if call.flag("size"):
        await sizes.add(call.host, found)
    return Json(found)


def listed(call: Call) -> list[dict[str, Any]]:
    """What the request asks for. A few queries, however many there are. Raises InvalidArgument, NotFound."""
    filters = call.filters(FILTERS)
    limit = min(max(call.number("limit", 0) or 0, 0), MOST)
    is_all = call.flag("all") or limit > 0 or "status" in filters
    found = rows.listed(call, alive=not is_all, limit=limit if limit and not filters else None)
    found = _kept(found, _tests(call, filters))
    images, places = rows.images_of(call, found), rows.places_of(call, found)
    found = _kept(found, _further_tests(filters, images, places))
    return [summary(call, row, images, places) for row in found[: limit or None]]


def summary(call: Call, row: Row, images: Images, places: Places) -> dict[str, Any]:
    """One of a list."""
    image = images.get(row.image_id, {})
    spec, state = row.spec, state_of(row)
    is_alive = state in ALIVE
    host_config: dict[str, Any] = {"NetworkMode": networking.mode_of(spec)}
    if call.version >= (1, 46) and spec.get("annotations"):
        host_config["Annotations"] = spec["annotations"]
    return {
        "Id": row.pk,
        "Names": [f"/{row.name}"],
        "Image": row.image,
        "ImageID": row.image_id,
        "Command": shown_command(command_of(spec, image)),
        "Created": int(row.created_at.timestamp()),
        "Ports": networking.summary_ports(row, image, is_alive),
        "Labels": labels_of(row, image),
        "State": state,
        "Status": status_of(row),
        "HostConfig": host_config,
        "NetworkSettings": {"Networks": networking.settings_networks(row, places.get(row.pk, ()), is_alive)},
        "Mounts": mounts.shown(row.mounted, spec),
    }


def labels_of(container: Shown, image: Mapping[str, Any]) -> dict[str, str]:
    return {**(image.get("labels") or {}), **(container.spec.get("labels") or {})}


def shown_command(words: list[str]) -> str:
    """One line, words with blanks in single quotes, as moby's view of a container."""
    return " ".join([*words[:1], *(f"'{word}'" if " " in word else word for word in words[1:])])


Test = Callable[[Row], bool]
Makers = Mapping[str, Callable[[list[str]], Test]]


def _kept(found: list[Row], tests: list[Test]) -> list[Row]:
    return [row for row in found if all(test(row) for test in tests)] if tests else found


def _tests(call: Call, filters: Mapping[str, list[str]]) -> list[Test]:
    """The filters for which a row is enough. Raises InvalidArgument for a value that can't be, NotFound as Docker."""
    makers: Makers = {
        "status": _status_test,
        "health": _health_test,
        "exited": _exit_test,
        "name": lambda values: lambda row: any(_matches(pattern, row.name) for pattern in values),
        "id": lambda values: lambda row: any(row.pk.startswith(prefix) for prefix in values),
        "volume": lambda values: lambda row: any(_has_mount(row, place) for place in values),
        "ancestor": lambda values: _ancestor_test(call, values),
        "is-task": lambda values: lambda row: values[0].lower() not in ("true", "1"),  # tasks are of a swarm
    }
    return [*_made(makers, filters), *_neighbours(call, filters)]


def _further_tests(filters: Mapping[str, list[str]], images: Images, places: Places) -> list[Test]:
    """Those that ask for a row's image or its networks. Raises InvalidArgument."""
    makers: Makers = {
        "label": lambda values: lambda row: has_all(labels_of(row, images.get(row.image_id, {})), values),
        "network": lambda values: lambda row: any(_is_on(row, network, places) for network in values),
        "publish": lambda values: _port_test(values, "publish", "PublicPort", images),
        "expose": lambda values: _port_test(values, "expose", "PrivatePort", images),
    }
    return _made(makers, filters)


def _made(makers: Makers, filters: Mapping[str, list[str]]) -> list[Test]:
    return [makers[name](values) for name, values in filters.items() if name in makers and values]


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


def _neighbours(call: Call, filters: Mapping[str, list[str]]) -> list[Test]:
    """before, since: made before or after another one."""
    tests: list[Test] = []
    for name, sign in (("before", operator.lt), ("since", operator.gt)):
        for value in filters.get(name, ()):
            other = names.container(call, value)
            place = (other.created_at, other.pk)
            tests.append(lambda row, sign=sign, place=place: sign((row.created_at, row.pk), place))
    return tests


def _codes(values: list[str]) -> set[int]:
    try:
        return {int(value[:12]) for value in values}
    except ValueError:
        raise InvalidArgument(f"invalid filter 'exited={values[0][:40]}': give a number") from None


def _matches(pattern: str, name: str) -> bool:
    """A regular expression that may begin with the slash that names have in Docker's API."""
    return name_matches(pattern, name) or name_matches(pattern, f"/{name}")


def _has_mount(row: Row, place: str) -> bool:
    return any(place in (one.get("name"), one.get("source"), one.get("destination")) for one in row.mounted if place)


def _is_on(row: Row, network: str, places: Places) -> bool:
    found = networking.settings_networks(row, places.get(row.pk, ()), True)
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

    def test(row: Row) -> bool:
        shown = networking.summary_ports(row, images.get(row.image_id, {}), state_of(row) in ALIVE)
        return any((one.get(key), one["Type"]) in wanted for one in shown)

    return test
