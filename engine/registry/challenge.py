"""`WWW-Authenticate` headers (RFC 9110 section 11.6.1), in all the spellings that registries use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

_SCHEME = re.compile(r"[ ,]*([A-Za-z][A-Za-z0-9_-]*)(?= |,|$)")
_PARAMETER = re.compile(r'[ ,]*([A-Za-z0-9_.-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*))')


@dataclass(frozen=True, slots=True)
class Challenge:
    """`scheme` in lower case; parameter names in lower case."""

    scheme: str
    parameters: Mapping[str, str]


def parse(headers: Iterable[str]) -> list[Challenge]:
    """All challenges of the header lines. What can't be understood is left out."""
    found: list[Challenge] = []
    for header in headers:
        position = 0
        while scheme := _SCHEME.match(header, position):
            position = scheme.end()
            parameters: dict[str, str] = {}
            while parameter := _PARAMETER.match(header, position):
                name, quoted, token = parameter.groups()
                parameters[name.lower()] = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else token
                position = parameter.end()
            found.append(Challenge(scheme[1].lower(), parameters))
    return found
