"""A container's own request, asked for once more: as it is now, with what is to be different."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from engine.errors import Conflict, InvalidArgument
from engine.options import changing, modes, networks
from webui.containers.models import Container
from webui.containers.networks_now import NOWHERE, is_joinable, joined_like
from webui.containers.request import ContainerRequest, with_files
from webui.jobs.models import Job, JobStatus

_LIMITS = (*changing.LIMITS, "restart", "restart_limit")
_OF_NETWORK = ("network_alias", "link", "ip", "ip6", "mac_address")
"""What is asked for on the network that `network` names, and would be wrong on another."""
_OF_BRIDGES = ("networks", "ports", "publish_all", "publish_address", "expose")
"""What there can't be without a network of its own."""
_FOLLOWS = {
    ("stdin_open", False): "stdin_once",
    ("publish_all", False): "publish_address",
    ("log_driver", None): "log_opt",
}
"""(field, value or None for any) → what makes no sense any more beside it."""
_IN_PART = ("env", "labels")
_OF_ONE_REQUEST = frozenset({"name", "run_as", "pull"})
_NAMES = frozenset(field.name for field in fields(ContainerRequest)) - _OF_ONE_REQUEST - {"env_file", "label_file"}
_MOST_HOPS = 100


def wishes_kept(container: Container, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `ContainerRequest`, but for the name: what was asked of `container` and has changed since, except for
    how its image was to be pulled, then `changes`.

    `env` and `labels` (and their files) are changed name by name, and None takes one away; a health check, field by
    field. All else is replaced as a whole, with what makes no sense any more beside it (`changing.merged`; addresses of
    another network). What was asked for stays a question: a port that any was wanted for may be another one, and a tag
    stands for what it does now. Raises InvalidArgument with the field's name for a file that can't be read, Conflict
    for a container that has left all its networks.
    """
    spec = container.spec
    kept = {name: spec[name] for name in _NAMES if name in spec}
    kept |= {"image": container.image, "run_as": spec.get("user"), **joined_like(container)}
    plain = {name: value for name, value in changes.items() if name in _NAMES | _OF_ONE_REQUEST}
    _follow_recreated(container, kept)
    if "network" in plain:
        kept = _elsewhere(kept, plain)
    elif kept.get("network") == NOWHERE != spec.get("network"):
        raise Conflict(
            f"the container {container.name} is on no network: name one by network, none if it is to have none",
            {"fields": {"network": ["Name one: the container has left all that it was on."]}},
        )
    for (name, value), other in _FOLLOWS.items():
        if name in plain and value in (None, plain[name]):
            kept.pop(other, None)
    if plain.get("healthcheck"):
        plain["healthcheck"] = _healthcheck(kept, plain["healthcheck"])
    limits = changing.merged(
        {name: kept.get(name) for name in _LIMITS}, {name: plain[name] for name in _LIMITS if name in plain}
    )
    named = _by_name(kept, changes)
    return kept | plain | {name: limits[name] for name in _LIMITS} | named


def _elsewhere(kept: Mapping[str, Any], plain: Mapping[str, Any]) -> dict[str, Any]:
    """What is kept beside another network: it isn't joined twice, and without one of its own there are no ports."""
    if plain["network"] == kept.get("network"):
        return dict(kept)
    gone = set(_OF_NETWORK) if is_joinable(plain["network"] or modes.BRIDGE) else {*_OF_NETWORK, *_OF_BRIDGES}
    rest = {name: value for name, value in kept.items() if name not in gone}
    try:
        chosen = networks.read(plain["network"] or modes.BRIDGE).network
        rest["networks"] = [text for text in rest.get("networks") or () if networks.read(text).network != chosen]
    except InvalidArgument:
        pass  # told of by who checks the request
    return rest


def _healthcheck(kept: dict[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    own = kept.get("healthcheck") or {}
    if change.get("test") == ["NONE"]:
        kept.pop("restart_unhealthy", None)
        return dict(change)
    return {**({} if own.get("test") == ["NONE"] else own), **change}


def _follow_recreated(container: Container, kept: dict[str, Any]) -> None:
    """Containers are kept by their ids: one that was recreated since is meant in its new place."""
    for name in modes.JOINABLE:
        if (other := modes.target(str(kept.get(name) or ""))) is not None:
            kept[name] = f"{modes.CONTAINER}{_in_place_of(container, other)}"
    lenders = (text.partition(":") for text in kept.get("volumes_from") or ())
    kept["volumes_from"] = [f"{_in_place_of(container, name)}{colon}{mode}" for name, colon, mode in lenders]


def _in_place_of(container: Container, other: str) -> str:
    """The id of what is there now; as it was told where nobody knows."""
    there = Container.objects.filter(host=container.host_id)
    for _ in range(_MOST_HOPS):
        if there.filter(pk=other).exists():
            break
        jobs = Job.objects.filter(
            host=container.host_id, kind="container.recreate", subject=other, status=JobStatus.SUCCEEDED
        )
        command = jobs.values_list("command", flat=True).first()
        if command is None:
            break
        other = command["container_id"]
    return other


def _by_name(kept: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    said = {name: dict(changes.get(name) or {}) for name in _IN_PART}
    removed = {name: {key for key, value in said[name].items() if value is None} for name in _IN_PART}
    files = {name: changes[name] for name in ("env_file", "label_file") if name in changes}
    texts = {name: {key: value for key, value in said[name].items() if value is not None} for name in _IN_PART}
    read = with_files(ContainerRequest(image="", **texts, **files))
    whole = {name: {**(kept.get(name) or {}), **getattr(read, name)} for name in _IN_PART}
    return {name: {key: whole[name][key] for key in whole[name] if key not in removed[name]} for name in _IN_PART}
