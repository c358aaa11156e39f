"""Sockets of a host's worker in a home that is the site's, too."""

from __future__ import annotations

import os

from django.conf import settings


def has_socket(host_id: str, name: str) -> bool:
    """Whether the host's worker has this site's home, and such a socket there."""
    home = settings.PORTSIDE.home
    try:
        return (home / "host-id").read_text().strip() == host_id and (home / "run" / name).exists()
    except OSError:
        return False


def address(name: str) -> str:
    """Of any length: unix(7) has 107 bytes, a home may lie deeper."""
    global _directory
    if _directory is None:
        _directory = os.open(settings.PORTSIDE.home / "run", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    return f"/proc/self/fd/{_directory}/{name}"


_directory: int | None = None
