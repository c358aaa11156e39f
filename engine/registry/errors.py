"""What can go wrong with a registry, told so that a person knows what to do (distribution-spec, "Error Codes")."""

from __future__ import annotations

import json

from engine.errors import (
    DataCorrupt,
    EngineError,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    Unavailable,
    Unsupported,
)


class ImageUnknown(NotFound):
    """The registry has no such repository, tag or digest."""


class AccessDenied(PermissionDenied):
    """The registry wants other credentials, or any."""


class RegistryUnavailable(Unavailable):
    """The registry can't be reached, answers nonsense or is overloaded."""


class PartsUnknown(RegistryUnavailable):
    """The registry does not know of a part of an image when it gets the manifest: collected or not yet linked there."""


class BlobDamaged(DataCorrupt):
    """The registry sends other bytes than the manifest promised, or gets others from here than it was promised."""


class PushRefused(InvalidArgument):
    """The registry does not take this name or this image."""


def registry_says(body: bytes) -> str:
    """The messages of an error document, as one short line; empty if there is none."""
    texts = [str(error.get("message") or error.get("code") or "") for error in _errors(body)]
    line = "; ".join(text for text in texts if text)
    return "".join(character for character in line[:300] if character.isprintable())


def registry_codes(body: bytes) -> frozenset[str]:
    """The codes of an error document, in capitals."""
    return frozenset(str(error.get("code") or "").upper()[:80] for error in _errors(body))


def refusal(host: str, status: int, body: bytes) -> EngineError:
    """The error for an answer of 400 and more that is neither about rights nor about load."""
    codes, said = registry_codes(body), registry_says(body)
    detail: dict[str, object] = {"status": status, "registry": host}
    said = f" ({said})" if said else ""
    if "NAME_INVALID" in codes:
        return PushRefused(f"{host} does not allow repositories of this name: choose another{said}", detail)
    # Before the next: distribution adds DIGEST_INVALID to it while another push of the same part rewrites its link.
    if "MANIFEST_BLOB_UNKNOWN" in codes or "BLOB_UNKNOWN" in codes:
        return PartsUnknown(f"{host} has lost a part of the image meanwhile: push again{said}", detail)
    if "DIGEST_INVALID" in codes or "SIZE_INVALID" in codes:
        return BlobDamaged(
            f"{host} got other content than its digest promises: what this host has of the image is damaged, "
            f"pull it again or check the store{said}",
            detail,
        )
    if "MANIFEST_INVALID" in codes or "MANIFEST_UNVERIFIED" in codes:
        return PushRefused(f"{host} does not take an image of this form{said}", detail)
    if "UNSUPPORTED" in codes or status == 405:
        return Unsupported(f"{host} does not allow this: it may be read-only{said}", detail)
    if status == 413:
        return PushRefused(f"{host} takes no pieces of this size: have its limit of a request raised{said}", detail)
    return RegistryUnavailable(f"registry {host} answered {status}{said}", detail)


def _errors(body: bytes) -> list[dict[str, object]]:
    try:
        errors = json.loads(body[:65536]).get("errors") or []
        return [error for error in errors[:3] if isinstance(error, dict)]
    except (ValueError, AttributeError, TypeError, KeyError, RecursionError):
        return []
