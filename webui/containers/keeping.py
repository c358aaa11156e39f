"""A container's own request, asked for once more: as it is now, with what is to be different."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from engine.options import changing
from webui.containers.models import Container
from webui.containers.networks_now import joined_like
from webui.containers.request import ContainerRequest, with_files

_LIMITS = (*changing.LIMITS, "restart", "restart_limit")
_OF_NETWORK = ("network_alias", "ip", "ip6", "mac_address")
"""What is asked for on the network that `network` names, and would be wrong on another."""
_IN_PART = ("env", "labels")
_OF_ONE_REQUEST = frozenset({"name", "run_as", "pull"})
_NAMES = frozenset(field.name for field in fields(ContainerRequest)) - _OF_ONE_REQUEST - {"env_file", "label_file"}


def wishes_kept(container: Container, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `ContainerRequest`, but for the name: what was asked of `container` and has changed since, except for
    how its image was to be pulled, then `changes`.

    `env` and `labels` (and their files) are changed name by name, and None takes one away; all else is replaced as a
    whole, with what makes no sense any more beside it (`changing.merged`; addresses of another network). What was
    asked for stays a question: a port that any was wanted for may be another one, and a tag stands for what it does
    now. Raises InvalidArgument with the field's name for a file that can't be read.
    """
    spec = container.spec
    kept = {name: spec[name] for name in _NAMES if name in spec}
    kept |= {"image": container.image, "run_as": spec.get("user"), **joined_like(container)}
    plain = {name: value for name, value in changes.items() if name in _NAMES | _OF_ONE_REQUEST}
    if "network" in plain and plain["network"] != kept.get("network"):
        kept = {name: value for name, value in kept.items() if name not in _OF_NETWORK}
    if plain.get("stdin_open") is False:
        kept.pop("stdin_once", None)
    limits = changing.merged(
        {name: kept.get(name) for name in _LIMITS}, {name: plain[name] for name in _LIMITS if name in plain}
    )
    named = _by_name(kept, changes)
    return kept | plain | {name: limits[name] for name in _LIMITS} | named


def _by_name(kept: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    said = {name: dict(changes.get(name) or {}) for name in _IN_PART}
    removed = {name: {key for key, value in said[name].items() if value is None} for name in _IN_PART}
    files = {name: changes[name] for name in ("env_file", "label_file") if name in changes}
    texts = {name: {key: value for key, value in said[name].items() if value is not None} for name in _IN_PART}
    read = with_files(ContainerRequest(image="", **texts, **files))
    whole = {name: {**(kept.get(name) or {}), **getattr(read, name)} for name in _IN_PART}
    return {name: {key: whole[name][key] for key in whole[name] if key not in removed[name]} for name in _IN_PART}
