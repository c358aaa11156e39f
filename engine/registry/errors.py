"""What can go wrong with a registry, told so that a person knows what to do (distribution-spec, "Error Codes")."""

from __future__ import annotations

import json

from engine.errors import DataCorrupt, NotFound, PermissionDenied, Unavailable


class ImageUnknown(NotFound):
    """The registry has no such repository, tag or digest."""


class AccessDenied(PermissionDenied):
    """The registry wants other credentials, or any."""


class RegistryUnavailable(Unavailable):
    """The registry can't be reached, answers nonsense or is overloaded."""


class BlobDamaged(DataCorrupt):
    """The registry sends other bytes than the manifest promised."""


def registry_says(body: bytes) -> str:
    """The messages of an error document, as one short line; empty if there is none."""
    try:
        errors = json.loads(body[:65536]).get("errors") or []
        texts = [str(error.get("message") or error.get("code") or "") for error in errors[:3]]
    except (
        ValueError,
        AttributeError,
        TypeError,
        KeyError,
        RecursionError,
    ):
        return ""
    line = "; ".join(text for text in texts if text)
    return "".join(character for character in line[:300] if character.isprintable())
