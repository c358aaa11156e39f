"""Where a registry is: host, scheme, and whether it may be spoken to without TLS."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from engine.oci.reference import DEFAULT_REGISTRY

_DOCKER_HUB = "registry-1.docker.io"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`host` is `name[:port]` as in a URL. `schemes` are to be tried in order; TLS is checked where `is_secure`."""

    host: str
    schemes: tuple[str, ...]
    is_secure: bool

    @classmethod
    def of(cls, registry: str, insecure_registries: Sequence[str]) -> Endpoint:
        """The endpoint of a reference's registry. Plain HTTP comes first for insecure ones, and never for others."""
        host = _DOCKER_HUB if registry == DEFAULT_REGISTRY else registry
        if is_insecure(host, insecure_registries):
            return cls(host, ("http", "https"), False)
        return cls(host, ("https",), True)


def is_insecure(host: str, insecure_registries: Sequence[str]) -> bool:
    """Whether `host` is listed: by name, by `name:port`, or by a network that holds its literal address.

    Names are not resolved: who controls the DNS must not be able to take TLS away.
    """
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    for listed in insecure_registries:
        if listed.lower() in (host.lower(), name.lower()):
            return True
        if _holds(listed, name):
            return True
    return False


def _holds(network: str, address: str) -> bool:
    try:
        return ipaddress.ip_address(address) in ipaddress.ip_network(network, strict=False)
    except (ValueError, TypeError):
        return False
