"""The names that an image can be given here."""

from __future__ import annotations

from engine.errors import InvalidArgument
from engine.oci.reference import Reference


def tag_of(reference: str) -> Reference:
    """A tag to give an image. Raises `InvalidReference`, and `InvalidArgument` for a digest."""
    name = Reference.parse(reference)
    if name.digest is not None:
        raise InvalidArgument("a new image can be given a tag, but not a digest", {"field": "reference"})
    return name
