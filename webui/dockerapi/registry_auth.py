"""What a docker client says about registries in the headers X-Registry-Auth and X-Registry-Config.

Source: moby's api/swagger.yaml, "Authentication"; JSON in base64, of the alphabet for URLs, with or without padding.
Docker takes a header that can't be read for none, so that older clients aren't shut out; so does this.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from engine.errors import InvalidArgument
from webui.dockerapi import shapes
from webui.images.credentials import GivenLogin, registry_name

HEADER_MAXIMUM = 64 << 10
REGISTRIES_MAXIMUM = 64
IDENTITY_USER = "<token>"
"""Whose password is a token that stands for one, as credential helpers write it (and the engine reads it)."""


def login_of(header: str) -> GivenLogin | None:
    """Whose name and password X-Registry-Auth carries; None for nobody's."""
    return _login(_decoded(header))


def logins_of(header: str) -> dict[str, GivenLogin]:
    """The same of X-Registry-Config, by the names of registries as references spell them."""
    found: dict[str, GivenLogin] = {}
    for address, said in list(_decoded(header).items())[:REGISTRIES_MAXIMUM]:
        login = _login(said if isinstance(said, Mapping) else {})
        try:
            name = registry_name(str(address))
        except InvalidArgument:  # a client sends all that it has stored, whatever stands there
            continue
        if login is not None:
            found[name] = login
    return found


def _decoded(header: str) -> Mapping[str, Any]:
    text = header.strip().rstrip("=")
    if not text or len(text) > HEADER_MAXIMUM:
        return {}
    try:
        data = base64.b64decode(text.translate(str.maketrans("+/", "-_")) + "=" * (-len(text) % 4), b"-_")
        found = shapes.parsed(data)
    except (ValueError, InvalidArgument):
        return {}
    return found if isinstance(found, Mapping) else {}


def _login(said: Mapping[str, Any]) -> GivenLogin | None:
    if said.get("identitytoken"):
        return GivenLogin(IDENTITY_USER, str(said["identitytoken"]))
    username, password = str(said.get("username") or ""), str(said.get("password") or "")
    if not username and said.get("auth"):
        username, password = _pair(str(said["auth"]))
    return GivenLogin(username, password) if username and password else None


def _pair(text: str) -> tuple[str, str]:
    try:
        name, _, password = base64.b64decode(text).decode().partition(":")
    except (ValueError, binascii.Error):
        return "", ""
    return name, password
