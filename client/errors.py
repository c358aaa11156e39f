"""What can go wrong, by the families that the site names (`webui/api/errors.py`; RFC 9457 on the wire).

A failed request, a failed job and a stream that ends badly raise the same classes: callers test the class, never the
text. No message has a token in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class PortsideError(Exception):
    """`message` says what happened and what to do next.

    `status`: of HTTP, None where it was no answer to a request. `fields`: what is wrong in which field of the request
    ("ports.0.host"). `detail`: facts that a failed job gives. `retry_after`: seconds, where the site says so.
    """

    family = "internal"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        fields: Mapping[str, Sequence[str]] | None = None,
        detail: Mapping[str, Any] | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.fields = {name: list(texts) for name, texts in (fields or {}).items()}
        self.detail = dict(detail or {})
        self.retry_after = retry_after


class NotFound(PortsideError):
    family = "not_found"


class AlreadyExists(PortsideError):
    family = "already_exists"


class Conflict(PortsideError):
    family = "conflict"


class InvalidArgument(PortsideError):
    family = "invalid_argument"


class PermissionDenied(PortsideError):
    family = "permission_denied"


class Unauthenticated(PortsideError):
    """The token is missing, unknown, or was revoked."""

    family = "unauthenticated"


class Unavailable(PortsideError):
    """The site, the host or a registry can't be reached now: try again."""

    family = "unavailable"


class ConnectionFailed(Unavailable):
    """Nobody answered as a Portside site does: the address, the network or the certificate."""


class ResourceExhausted(PortsideError):
    family = "resource_exhausted"


class DataCorrupt(PortsideError):
    family = "data_corrupt"


class Unsupported(PortsideError):
    family = "unsupported"


class Cancelled(PortsideError):
    family = "cancelled"


FAMILIES: dict[str, type[PortsideError]] = {
    kind.family: kind
    for kind in (
        NotFound,
        AlreadyExists,
        Conflict,
        InvalidArgument,
        PermissionDenied,
        Unauthenticated,
        Unavailable,
        ResourceExhausted,
        DataCorrupt,
        Unsupported,
        Cancelled,
    )
}
_BY_STATUS = {400: "invalid_argument", 401: "unauthenticated", 403: "permission_denied", 404: "not_found"}
_LATER = (502, 503, 504)


def of_family(family: object, message: object, detail: object = None) -> PortsideError:
    """The error that a job or a stream tells of."""
    kind = FAMILIES.get(str(family), PortsideError)
    return kind(str(message), detail=detail if isinstance(detail, Mapping) else None)


def of_problem(status: int, body: object, retry_after: float | None = None) -> PortsideError:
    """The error that an answer with this status and this decoded body is; one of no Portside site, too."""
    if not isinstance(body, Mapping) or not isinstance(body.get("detail"), str):
        if status in _LATER:
            return Unavailable(f"the site can't be reached behind its address now ({status}): try again", status=status)
        if status in (401, 403):
            return FAMILIES[_BY_STATUS[status]](f"who stands before the site refuses this ({status})", status=status)
        return ConnectionFailed(f"this is no answer of a Portside site ({status}): see the address", status=status)
    family = str(body.get("family") or _BY_STATUS.get(status, "internal"))
    fields = body.get("errors")
    return FAMILIES.get(family, PortsideError)(
        body["detail"], status=status, fields=fields if isinstance(fields, Mapping) else None, retry_after=retry_after
    )
