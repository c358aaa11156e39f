"""The options of `docker run` that a container was asked for with, and what they do to its walls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any

from engine.options import loosening
from worker.contract.commands import ContainerOptions, CreateContainer
from worker.contract.wire import ContractError, from_wire

_DEFAULTS: dict[str, Any] = {
    field.name: [] if field.default == () else {} if field.default is MISSING else field.default
    for field in fields(ContainerOptions)
}


def options_as_json(spec: Mapping[str, Any], *, userns: str = "", apparmor: str = "") -> dict[str, Any]:
    """Every option with its value, and `loosened` and `tightened`: short words. `spec`: a container's, as JSON.

    `userns`, `apparmor`: how its last run was ("host": without user ids of its own, "unconfined": without a profile,
    whatever was asked for). Specs of containers made by older versions lack options; those have their defaults.
    """
    options = {name: spec.get(name, default) for name, default in _DEFAULTS.items()}
    walls: dict[str, list[str]] = {"loosened": [], "tightened": []}
    if options != _DEFAULTS or spec.get("pids_limit") == -1:  # nearly always nothing: lists are long
        try:
            wishes = from_wire(CreateContainer, {"container_id": "", "name": "", "image": "", **spec})
        except ContractError:  # a host of another version made it
            return {**options, **walls}
        walls = {"loosened": loosening.loosened(wishes), "tightened": loosening.tightened(wishes)}
    if userns == "host" and not options["privileged"] and loosening.HOST_USERS not in walls["loosened"]:
        walls["loosened"] = [loosening.HOST_USERS, *walls["loosened"]]
    if apparmor == "unconfined" and not options["privileged"] and loosening.NO_APPARMOR not in walls["loosened"]:
        walls["loosened"] = [*walls["loosened"], loosening.NO_APPARMOR]
    return {**options, **walls}
