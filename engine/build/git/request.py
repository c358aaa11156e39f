"""What the child is asked, and how its errors come back: JSON both ways."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

from engine import errors
from engine.errors import EngineError, InvalidArgument

RESOLVE, FETCH = "resolve", "fetch"
PACK_BYTES = 4 << 30
"""Of one repository's pack, as the server sends it."""
_FAMILIES = {
    kind.__name__: kind
    for kind in (
        errors.NotFound, errors.PermissionDenied, errors.Unavailable, errors.InvalidArgument, errors.DataCorrupt,
        errors.ResourceExhausted, errors.Unsupported,
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Who is asked for at a server; `ca_pem`: whom to trust besides, for a server of one's own."""

    username: str = ""
    password: str = field(default="", repr=False)
    ca_pem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`remote`: a URL without a password; `directory`: a part of the repository; `workspace`: a directory for packs;
    `keeps`: .git comes too; `fenced` and `near` as in `Reach`."""

    do: str
    remote: str
    ref: str = ""
    directory: str = ""
    checksum: str = ""
    keeps: bool = False
    submodules: bool = True
    workspace: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    ca_pem: str = ""
    fenced: Sequence[str] = ()
    near: Sequence[str] = ()

    def encode(self) -> bytes:
        """JSON, with the password: for a pipe alone."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def decode(cls, data: bytes) -> Request:
        """The reverse."""
        return cls(**json.loads(data))


def error_as_line(error: EngineError) -> dict[str, str]:
    """An error for the way out of the child."""
    family = next((name for name, kind in _FAMILIES.items() if isinstance(error, kind)), "Unavailable")
    return {"error": family, "message": error.message}


def error_of_line(line: dict[str, str]) -> EngineError:
    """The reverse."""
    return _FAMILIES.get(line["error"], InvalidArgument)(line["message"])
