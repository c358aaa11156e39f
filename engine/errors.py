"""The families of errors that the engine raises, and nothing else.

    EngineError
     ├─ NotFound            no such image, container, blob …
     ├─ AlreadyExists       the name or id is taken by something else
     ├─ Conflict            the object is in a state that does not allow this
     ├─ InvalidArgument     the request itself is wrong; asking again won't help
     ├─ PermissionDenied    a registry or the kernel said no
     ├─ Unavailable         a registry, the network or a helper can't be reached now; try again
     ├─ ResourceExhausted   no space, addresses, pids … left
     ├─ DataCorrupt         a digest or a format does not match what was promised
     ├─ Unsupported         understood, but not possible here
     └─ Cancelled           the caller asked to stop

Specific classes stand next to the code that raises them. Callers test the family, never the text; on the
wire an error is its family, its message and its detail.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class EngineError(Exception):
    """An error that a user may see: `message` says what happened and what to do next.

    `detail` carries machine-readable facts (str to JSON values), never secrets.
    """

    family = "internal"

    def __init__(self, message: str, detail: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.detail: dict[str, object] = dict(detail or {})


class NotFound(EngineError):
    family = "not_found"


class AlreadyExists(EngineError):
    family = "already_exists"


class Conflict(EngineError):
    family = "conflict"


class InvalidArgument(EngineError):
    family = "invalid_argument"


class PermissionDenied(EngineError):
    family = "permission_denied"


class Unavailable(EngineError):
    family = "unavailable"


class ResourceExhausted(EngineError):
    family = "resource_exhausted"


class DataCorrupt(EngineError):
    family = "data_corrupt"


class Unsupported(EngineError):
    family = "unsupported"


class Cancelled(EngineError):
    family = "cancelled"


FAMILIES: dict[str, type[EngineError]] = {
    cls.family: cls
    for cls in (
        NotFound,
        AlreadyExists,
        Conflict,
        InvalidArgument,
        PermissionDenied,
        Unavailable,
        ResourceExhausted,
        DataCorrupt,
        Unsupported,
        Cancelled,
    )
}
