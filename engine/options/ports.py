"""--expose, --publish and --publish-all: which ports a container says that it listens on, and which are published."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from ipaddress import ip_address
from typing import Any

from engine.errors import InvalidArgument

_EXPOSED = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/([A-Za-z]+))?")
PROTOCOLS = ("tcp", "udp")
MOST = 1000
"""Ports that one request may expose: a range of thousands would be as many rules of the firewall."""


def exposed(text: str) -> list[tuple[int, str]]:
    """`80`, `80/udp`, `8000-8010/tcp` → (port, protocol) of each, as docker/go-connections. InvalidArgument."""
    found = _EXPOSED.fullmatch(text.strip())
    if found is None:
        raise _no(text)
    first, last, protocol = int(found[1]), int(found[2] or found[1]), (found[3] or "tcp").lower()
    if not 1 <= first <= last <= 65535 or protocol not in PROTOCOLS:
        raise _no(text)
    if last - first >= MOST:
        raise InvalidArgument(f"{text[:40]!r} is a range of more than {MOST} ports: expose fewer")
    return [(port, protocol) for port in range(first, last + 1)]


def all_exposed(image: Iterable[str], wish: Iterable[str]) -> list[tuple[int, str]]:
    """Those of an image's config and of a request's `expose`, in order. What an image says badly is left out."""
    found: dict[tuple[int, str], None] = {}
    for text in image:
        try:
            found.update(dict.fromkeys(exposed(text)))
        except InvalidArgument:
            continue
    for text in wish:
        found.update(dict.fromkeys(exposed(text)))
    return sorted(found)


def spread(port: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A published port as it is asked for (`container`, `host`, `host_last`, `container_last`, …) → those it means.

    As docker's -p: 8000-8010:80-90 is eleven ports in their order, 80-90 eleven at free ones, 8000-8010:80 one, at the
    first of the host's that is free. What is no number is left to who checks numbers. Raises InvalidArgument, with the
    field.
    """
    port = dict(port)
    inside = _range(port.get("container"), port.pop("container_last", None), "container_last")
    outside = _range(port.get("host"), port.get("host_last"), "host_last")
    if inside is None:
        return [port]
    if port.get("host") is None:
        return [{**port, "container": one} for one in inside]
    if outside is None or len(outside) != len(inside):
        raise InvalidArgument(
            f"{len(inside)} ports of the container need as many of the host: say so by host and host_last",
            {"field": "host_last"},
        )
    del port["host_last"]
    return [{**port, "container": one, "host": other} for one, other in zip(inside, outside, strict=True)]


def problem_of_address(text: object) -> str:
    """Why nothing can be published there on any host; empty if it may be. None, the usual one, may."""
    try:
        address = None if text is None else ip_address(text) if isinstance(text, str) and "%" not in text else ""
    except ValueError:
        address = ""
    if address is None:
        return ""
    if isinstance(address, str):
        return "Give an address of the host, such as 127.0.0.1, 0.0.0.0 or ::."
    if address.version == 6 and address.is_loopback:
        return (
            "Ports can't be published on ::1, where the kernel takes no answers from containers: use 127.0.0.1, or :: "
            "for all other IPv6 addresses of the host."
        )
    if address.version == 6 and address.is_link_local:
        return f"Ports can't be published on {address}, which means another host on each of its links."
    return f"Ports can't be published on the multicast address {address}." if address.is_multicast else ""


def between(first: object, last: object) -> range:
    """The ports from one to another, both of them. Raises InvalidArgument."""
    if not isinstance(first, int) or not isinstance(last, int) or not (0 < first < 65536 and 0 < last < 65536):
        raise InvalidArgument("a range goes from one port to another, from 1 to 65535")
    if first > last:
        raise InvalidArgument(f"a range ends with its greatest port: {first} to {last} is none")
    if last - first >= MOST:
        raise InvalidArgument(f"a range has at most {MOST} ports")
    return range(first, last + 1)


def _range(first: object, last: object, field: str) -> range | None:
    """None without an end."""
    try:
        return None if last is None else between(first, last)
    except InvalidArgument as error:
        raise InvalidArgument(error.message, {"field": field}) from error


def _no(text: str) -> InvalidArgument:
    return InvalidArgument(f"{text[:40]!r}: give PORT[-LAST][/PROTOCOL], such as 80, 53/udp or 8000-8010")
