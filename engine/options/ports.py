"""--expose and --publish-all: which ports a container says that it listens on, and which of them are published."""

from __future__ import annotations

import re
from collections.abc import Iterable

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


def _no(text: str) -> InvalidArgument:
    return InvalidArgument(f"{text[:40]!r}: give PORT[-LAST][/PROTOCOL], such as 80, 53/udp or 8000-8010")
