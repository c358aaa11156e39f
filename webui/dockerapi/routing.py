"""Which function answers which request: `@endpoint("GET", "/containers/{name}/json")`.

`{name}` is one part of a path, `{name:path}` any number of them (references of images have slashes). An endpoint takes
a `Call` and gives an answer (`webui.dockerapi.answers`), or raises: families of errors become Docker's statuses.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import unquote

from webui.dockerapi import paths, versions
from webui.dockerapi.answers import Answer
from webui.dockerapi.call import Call

Handler = Callable[[Call], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`path` as it was written; `is_open`: who asks need not be known. `since`: the first version that has it."""

    method: str
    path: str
    pattern: re.Pattern[str]
    handler: Handler
    since: versions.Version
    is_open: bool


_table: dict[str, list[Endpoint]] = {}
_PARTS = re.compile(r"\{([a-z]+)(:path)?\}")


def endpoint(method: str, path: str, *, since: str = "1.24", is_open: bool = False) -> Callable[[Handler], Handler]:
    """Register the decorated function."""

    def register(handler: Handler) -> Handler:
        version = versions.parse(since)
        assert version is not None
        pattern = re.compile(_PARTS.sub(lambda part: f"(?P<{part[1]}>{'.+' if part[2] else '[^/]+'})", path))
        one = Endpoint(method, path, pattern, handler, version, is_open)
        _table.setdefault(_first(path), []).append(one)
        return handler

    return register


def endpoints() -> list[Endpoint]:
    """All that there are."""
    return [one for several in _table.values() for one in several]


def find(method: str, path: str) -> tuple[Endpoint, dict[str, str]] | None:
    """The endpoint of a path without host and version, and the parts that its path names, decoded."""
    for one in _table.get(_first(path), ()):
        if one.method == method and (match := one.pattern.fullmatch(path)):
            return one, {name: unquote(value) for name, value in match.groupdict().items()}
    return None


def is_ours(method: str, raw_path: str, accept: str = "") -> bool:
    """Whether a request is for Docker's API: with a version in its path it is; without, if no browser asks for a page
    (whose addresses end with a slash, which people may leave out)."""
    asked = paths.read(raw_path)
    if asked.version is not None:
        return True
    if raw_path.endswith("/") or "text/html" in accept:
        return False
    return find(method, asked.path) is not None


def _first(path: str) -> str:
    return path.split("/", 2)[1] if path.startswith("/") else ""
