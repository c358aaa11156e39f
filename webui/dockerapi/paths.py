"""Docker's paths: a host by its name, a version, and what is asked for. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class Asked:
    """What a path asks for: a host by name, a version, and the rest of it."""

    host: str | None
    version: str | None
    path: str


_HOST = re.compile(r"/hosts/([^/]+)(/.+)")
_VERSION = re.compile(r"/v([0-9][0-9.]*)(/.+)")
_STREAMS = re.compile(r"/(containers/[^/]+/attach|exec/[^/]+/start|session|grpc)")
SOCKET = re.compile(r"/containers/[^/]+/attach/ws")


def read(raw_path: str) -> Asked:
    """Host and version off the path, as it came, not decoded."""
    host = _HOST.fullmatch(raw_path)
    path = host[2] if host else raw_path
    version = _VERSION.fullmatch(path)
    return Asked(unquote(host[1]) if host else None, version[1] if version else None, version[2] if version else path)


def is_stream(path: str) -> bool:
    """Whether a POST to this path takes the connection over."""
    return _STREAMS.fullmatch(read(path).path) is not None
