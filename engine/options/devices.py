"""Devices in words: --device, --device-cgroup-rule, and the limits of one disk."""

from __future__ import annotations

import re
from dataclasses import dataclass

from engine.errors import InvalidArgument

_RULE = re.compile(r"([acb]) ([0-9]{1,10}|\*):([0-9]{1,10}|\*) ([rwm]{1,3})")
RATE_MAXIMUM = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Device:
    """`host`: a path on the host; `container`: where it appears; `permissions`: of r, w and m (mknod)."""

    host: str
    container: str
    permissions: str


@dataclass(frozen=True, slots=True)
class Rule:
    """`kind` a, b or c; `major` and `minor` None are all; always allows."""

    kind: str
    major: int | None
    minor: int | None
    permissions: str


@dataclass(frozen=True, slots=True)
class Throttle:
    """`rate`: bytes or operations a second, 0 for no limit."""

    path: str
    rate: int


def device(text: str) -> Device:
    """HOST, HOST:PERMISSIONS, HOST:CONTAINER or HOST:CONTAINER:PERMISSIONS, as Docker. Raises InvalidArgument."""
    parts = text.split(":")
    host, container, permissions = parts[0], parts[0], "rwm"
    if len(parts) == 2 and _is_permissions(parts[1]):
        permissions = parts[1]
    elif len(parts) == 2:
        container = parts[1]
    elif len(parts) == 3:
        container, permissions = parts[1], parts[2]
    if len(parts) > 3 or not _is_permissions(permissions):
        raise InvalidArgument(f"{text[:80]!r}: give HOST[:CONTAINER[:rwm]], such as /dev/fuse:/dev/fuse:rwm")
    for path in (host, container):
        if not path.startswith("/") or "\0" in path or ".." in path.split("/") or path.rstrip("/") == "":
            raise InvalidArgument(f"{text[:80]!r}: a device's path is absolute, such as /dev/fuse")
    if not container.startswith("/dev/") or container.startswith(("/dev/pts/", "/dev/shm/", "/dev/mqueue/")):  # noqa: S108
        raise InvalidArgument(f"{text[:80]!r}: in the container, a device's place is in /dev, such as /dev/fuse")
    return Device(host, container, permissions)


def rule(text: str) -> Rule:
    """`c 10:229 rwm`, with * for all majors or minors. Raises InvalidArgument."""
    found = _RULE.fullmatch(text.strip())
    if found is None:
        raise InvalidArgument(f"{text[:40]!r}: give TYPE MAJOR:MINOR PERMISSIONS, such as 'c 10:229 rwm' or 'b 8:* r'")
    kind, major, minor, permissions = found.groups()
    numbers = [None if number == "*" else int(number) for number in (major, minor)]
    return Rule(kind, numbers[0], numbers[1], permissions)


def throttle(text: str) -> Throttle:
    """PATH:RATE, the rate a plain number. Raises InvalidArgument."""
    path, _, rate = text.rpartition(":")
    if not path.startswith("/") or not rate.isascii() or not rate.isdigit() or int(rate[:20]) > RATE_MAXIMUM:
        raise InvalidArgument(f"{text[:80]!r}: give DEVICE:RATE with a number a second, such as /dev/sda:1048576")
    return Throttle(path, int(rate))


def weight(text: str) -> Throttle:
    """PATH:WEIGHT, 10 to 1000. Raises InvalidArgument."""
    path, _, number = text.rpartition(":")
    if not path.startswith("/") or not number.isascii() or not number.isdigit() or not 10 <= int(number[:20]) <= 1000:
        raise InvalidArgument(f"{text[:80]!r}: give DEVICE:WEIGHT with a weight of 10 to 1000, such as /dev/sda:500")
    return Throttle(path, int(number))


def _is_permissions(text: str) -> bool:
    return bool(text) and set(text) <= set("rwm") and len(set(text)) == len(text)
