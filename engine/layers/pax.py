"""PAX extended headers (POSIX.1-2017, pax(1), "pax Extended Header"), with GNU's sparse and SCHILY's xattr keys."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.layers.limits import LayerRefused, Limits

_XATTR = b"SCHILY.xattr."
_MAX_DIGITS = 20
MAX_SECONDS = 1 << 34
"""What ext4 can hold, and more than any honest file says."""


@dataclass(frozen=True, slots=True)
class Sparse:
    """`regions` is None where the map stands before the data (format 1.0)."""

    regions: list[tuple[int, int]] | None
    real_size: int
    name: bytes


def parse(data: bytes, limits: Limits) -> dict[bytes, bytes]:
    """Records `LENGTH KEY=VALUE\\n`. Repeated sparse offsets are gathered under `GNU.sparse.map`."""
    records: dict[bytes, bytes] = {}
    pairs: list[bytes] = []
    position = 0
    while position < len(data):
        space = data.find(b" ", position, position + _MAX_DIGITS)
        length = decimal(data[position:space]) if space > 0 else 0
        end = position + length
        key, equals, value = data[space + 1 : end - 1].partition(b"=")
        if space < 0 or end > len(data) or end <= space + 2 or not equals or data[end - 1] != 10:
            raise LayerRefused("the layer's tar has a damaged PAX header")
        if key in (b"GNU.sparse.offset", b"GNU.sparse.numbytes"):
            pairs.append(value)
            if len(pairs) > 2 * limits.sparse_regions:
                raise LayerRefused("the layer's tar has a sparse file with too many regions")
        if b"\0" in key or (b"\0" in value and not key.startswith(_XATTR)):
            raise LayerRefused("the layer's tar has a PAX header with a NUL byte")
        records[key] = value
        position = end
    if pairs:
        records[b"GNU.sparse.map"] = b",".join(pairs)
    return records


def decimal(text: bytes) -> int:
    """A plain decimal number. Raises `LayerRefused`."""
    if not text.isdigit() or len(text) > _MAX_DIGITS:
        raise LayerRefused(f"the layer's tar has {text[:40]!r} where a number should be")
    return int(text)


def number(records: Mapping[bytes, bytes], key: bytes, default: int) -> int:
    """The number at `key`, `default` where it is missing or empty (an empty value takes the override back)."""
    text = records.get(key)
    return decimal(text) if text else default


def time_ns(records: Mapping[bytes, bytes], key: bytes, default: int) -> int:
    """A time in seconds with a fraction, as nanoseconds."""
    text = records.get(key)
    if not text:
        return default
    whole, _, fraction = text.lstrip(b"-").partition(b".")
    nanoseconds = decimal(whole or b"0") * 1_000_000_000 + decimal((fraction + b"000000000")[:9])
    if nanoseconds >= MAX_SECONDS * 1_000_000_000:
        return default
    return -nanoseconds if text.startswith(b"-") else nanoseconds


def xattrs(records: Mapping[bytes, bytes]) -> dict[str, bytes]:
    """The extended attributes an image may set.

    File capabilities and `user.*` only: `trusted.overlay.*` would steer overlayfs, SELinux labels and ACLs belong
    to the machine.
    """
    wanted: dict[str, bytes] = {}
    for key, value in records.items():
        if key.startswith(_XATTR):
            name = key[len(_XATTR) :].decode("utf-8", "surrogateescape")
            if name == "security.capability" or (name.startswith("user.") and not name.startswith("user.overlay.")):
                wanted[name] = value
    return wanted


def sparse(records: Mapping[bytes, bytes], limits: Limits) -> Sparse:
    """GNU's formats 0.0 and 0.1 (map in the header) and 1.0 (map before the data)."""
    real_size = number(records, b"GNU.sparse.realsize", number(records, b"GNU.sparse.size", 0))
    name = records.get(b"GNU.sparse.name", b"")
    if b"GNU.sparse.map" not in records:
        return Sparse(None, real_size, name)
    text = records[b"GNU.sparse.map"]
    if text.count(b",") > 2 * limits.sparse_regions:
        raise LayerRefused("the layer's tar has a sparse file with too many regions")
    numbers = [decimal(part) for part in text.split(b",")] if text else []
    if len(numbers) % 2:
        raise LayerRefused("the layer's tar has a sparse file with half a region")
    return Sparse(list(zip(numbers[::2], numbers[1::2], strict=True)), real_size, name)
