"""Paths in a volume: `/` between names of any bytes but NUL, from the volume's own directory, never upwards."""

from __future__ import annotations

from engine.errors import InvalidArgument

PATH_BYTES, NAME_BYTES = 4095, 255
"""What the kernel takes (limits.h: PATH_MAX, NAME_MAX)."""


def names_of(path: str, field: str = "path") -> tuple[bytes, ...]:
    """The names along a path; none for the volume itself. Bytes that are no UTF-8 come as lone surrogates (PEP 383).

    Raises InvalidArgument for `..`, NUL and what is too long.
    """
    try:
        raw = path.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise _wrong(field, "it has half of a surrogate pair, which is no character") from None
    if b"\0" in raw:
        raise _wrong(field, "it has a NUL byte, which no name can have")
    if len(raw) > PATH_BYTES:
        raise _wrong(field, f"it is longer than {PATH_BYTES} bytes")
    names = tuple(name for name in raw.split(b"/") if name not in (b"", b"."))
    if b".." in names:
        raise _wrong(field, "it has '..': give the path from the top of the volume")
    if any(len(name) > NAME_BYTES for name in names):
        raise _wrong(field, f"it has a name of more than {NAME_BYTES} bytes")
    return names


def joined(names: tuple[bytes, ...]) -> bytes:
    """Relative, as openat2 takes it."""
    return b"/".join(names) or b"."


def text(raw: bytes) -> str:
    """As `names_of` reads it back."""
    return raw.decode("utf-8", "surrogateescape")


def shown(names: tuple[bytes, ...]) -> str:
    """For messages: nothing in it moves text about."""
    path = "/" + b"/".join(names).decode("utf-8", "backslashreplace")
    visible = "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in path)
    return visible if len(visible) <= 200 else f"{visible[:200]}…"


def _wrong(field: str, what: str) -> InvalidArgument:
    return InvalidArgument(f"{field}: this is no path in the volume: {what}", {"field": field})
