"""The networks of a name that a request joins: looked for here, so that a mistyped one is told before anything is done.

The host looks again before it pulls an image: what it has is the truth, and may have changed on the way.
"""

from __future__ import annotations

import re

from engine.options import networks
from engine.options.near import hint
from webui.containers.request import ContainerRequest, FieldErrors
from webui.hosts.models import Host

_PART_OF_ID = re.compile(r"[0-9a-f]{4,64}")


def networks_check(*, host: Host, request: ContainerRequest) -> None:
    """Raise InvalidArgument, with the field and the near names, for a network that the host has not told of."""
    joinings = networks.of_container(request)
    if not joinings:
        return
    # The host's own manager, for the app of networks lies above this one.
    known: dict[str, str] = dict(host.networks.filter(team=host.team).values_list("network_id", "name"))
    errors = FieldErrors()
    for index, joining in enumerate(joinings):
        wanted = joining.network
        part = _PART_OF_ID.fullmatch(wanted)
        is_there = wanted in known.values() or (part and sum(one.startswith(wanted) for one in known) == 1)
        field = "network" if index == 0 and networks.is_name(request.network) else "networks"
        message = f"There is no network {wanted[:63]} on the host {host.name}: {hint(wanted, known.values())}"
        errors.check(bool(is_there), field, message if message.endswith("?") else f"{message}.")
    errors.raise_any()
