"""What a container is called on every network of a name that it is on, as in Docker: by rules alone."""

from __future__ import annotations

import re
from collections.abc import Mapping

SERVICE = "com.docker.compose.service"
"""The label by which compose says of which service a container is one: all of those share that name."""
SHORT_ID = 12
HOST_NAME = re.compile(r"[a-zA-Z0-9_]([a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9_])?")
"""What a container's host name can be. Docker takes `_` too, which files of compose use; the kernel has 64 bytes for it
(sethostname(2)), one of them for the end."""
HOST_NAME_RULE = "Use 1 to 63 letters, digits, _ . and -, - and . neither first nor last."
_SERVICE = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")


def names(container_id: str, name: str, hostname: str | None, labels: Mapping[str, str]) -> dict[str, str]:
    """Names in the order in which they are told, each with its kind: name, hostname, service or id."""
    short = container_id[:SHORT_ID]
    found = {name: "name"}
    found.setdefault(hostname or short, "hostname" if hostname else "id")
    service = labels.get(SERVICE, "")
    if _SERVICE.fullmatch(service):
        found.setdefault(service, "service")
    found.setdefault(short, "id")
    return found
