"""The options of `docker run` that a container was asked for with, and what they do to its walls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from functools import lru_cache
from typing import Any

from engine.options import loosening
from worker.contract.commands import ContainerOptions, CreateContainer
from worker.contract.wire import ContractError, from_wire

_DEFAULTS: dict[str, Any] = {
    field.name: [] if field.default == () else {} if field.default is MISSING else field.default
    for field in fields(ContainerOptions)
}
_REMEMBERED = 4096
"""So long are options at most that are remembered: a seccomp profile alone, which is one, may have a megabyte."""


def options_as_json(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Every option with its value, and `loosened` and `tightened`: short words. `spec`: a container's, as JSON.

    Specs of containers made by older versions lack options; those have their defaults.
    """
    options = {name: spec.get(name, default) for name, default in _DEFAULTS.items()}
    loosened: tuple[str, ...] = ()
    tightened: tuple[str, ...] = ()
    if options != _DEFAULTS or spec.get("pids_limit") == -1:  # nearly always nothing: lists are long
        changed = {name: value for name, value in options.items() if value != _DEFAULTS[name]}
        text = json.dumps({**changed, "pids_limit": spec.get("pids_limit")})
        loosened, tightened = _walls(text) if len(text) <= _REMEMBERED else _walls.__wrapped__(text)
    return {**options, "loosened": list(loosened), "tightened": list(tightened)}


def loosened_in_run(options: Mapping[str, Any], *, userns: str, apparmor: str) -> list[str]:
    """`loosened` of these options (as JSON) together with how the last run was: `userns` "host" without user ids of its
    own, `apparmor` "unconfined" without a profile, whatever was asked for."""
    loosened: list[str] = options["loosened"]
    if userns == "host" and not options["privileged"] and loosening.HOST_USERS not in loosened:
        loosened = [loosening.HOST_USERS, *loosened]
    if apparmor == "unconfined" and not options["privileged"] and loosening.NO_APPARMOR not in loosened:
        loosened = [*loosened, loosening.NO_APPARMOR]
    return loosened


@lru_cache(4096)
def _walls(changed: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What these options, as JSON, loosen and tighten; nothing for what can't be read. Kept, since lists ask again and
    again for the same."""
    try:
        wishes = from_wire(CreateContainer, {**json.loads(changed), "container_id": "", "name": "", "image": ""})
    except ContractError:  # a host of another version made it
        return (), ()
    return tuple(loosening.loosened(wishes)), tuple(loosening.tightened(wishes))
