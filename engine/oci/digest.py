"""Digests: the names of blobs and of unpacked layers (image-spec, descriptor.md#digests)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from engine.errors import InvalidArgument, Unsupported

if TYPE_CHECKING:
    from hashlib import _Hash

_LENGTHS = {"sha256": 64, "sha512": 128}
_FORM = re.compile(r"[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[A-Za-z0-9=_-]+\Z")
_HEX = re.compile(r"[0-9a-f]+\Z")


class InvalidDigest(InvalidArgument):
    """The text is not a digest."""


class Digest(str):
    """`sha256:<64 hex digits>` or `sha512:<128 hex digits>`, always in lower case.

    It is a `str`, so that it goes into JSON, SQL and file names as it is. Make one with `parse` (text from
    outside) or `of` (of bytes at hand).
    """

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Digest:
        """Check `text`. Raises `InvalidDigest` for a bad form, `Unsupported` for an unknown algorithm."""
        if not isinstance(text, str) or len(text) > 256 or not _FORM.match(text):
            raise InvalidDigest(f"{str(text)[:80]!r} is not a digest: expected sha256: and 64 hexadecimal digits")
        algorithm, _, hexadecimal = text.partition(":")
        if algorithm not in _LENGTHS:
            raise Unsupported(f"digest algorithm {algorithm[:40]!r} is not supported: use sha256 or sha512")
        if len(hexadecimal) != _LENGTHS[algorithm] or not _HEX.match(hexadecimal):
            raise InvalidDigest(
                f"{text[:80]!r} is not a digest: {algorithm} needs {_LENGTHS[algorithm]} digits of 0-9 and a-f"
            )
        return cls(text)

    @classmethod
    def of(cls, data: bytes) -> Digest:
        """The sha256 digest of `data`."""
        return cls("sha256:" + hashlib.sha256(data).hexdigest())

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def hex(self) -> str:
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """The first twelve hex digits, as people see them."""
        return self.hex[:12]

    def hasher(self) -> _Hash:
        """A fresh hash object of this digest's algorithm."""
        return hashlib.new(self.algorithm, usedforsecurity=True)


def chain_ids(diff_ids: Sequence[Digest]) -> tuple[Digest, ...]:
    """For each layer the chain id that names it with all layers below (image-spec, config.md#layer-chainid)."""
    chain: list[Digest] = []
    for diff_id in diff_ids:
        chain.append(Digest.of(f"{chain[-1]} {diff_id}".encode()) if chain else diff_id)
    return tuple(chain)
