"""The addresses on which the site is served."""

from __future__ import annotations

import errno
import socket

from django.core.management.base import CommandError

BACKLOG = 2048


def listen(host: str, port: int, variable: str) -> socket.socket:
    """A socket that listens there. Raises CommandError, which names the `variable` that the address comes from."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise CommandError(
                f"The address {host}:{port} is in use by another program: stop it, or choose another one, for "
                f"example {variable}={host}:{port + 1}."
            ) from error
        raise CommandError(
            f"The site can't be bound to {host}:{port} ({error.strerror or error}): set {variable} to an "
            "address of this machine and a port, such as 127.0.0.1:8000."
        ) from error
    return listener


def url(host: str, port: int) -> str:
    """What to type into a browser on this machine for a site that listens there."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}"
