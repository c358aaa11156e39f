"""--env-file and --label-file: lines of KEY=value, read by the rules of the docker client (its pkg/kvfile).

# a comment          left out, as an empty line is; white space before a line counts for nothing
KEY=value            the value is everything up to the line's end, quotes and spaces too
KEY                  a label without a value; of variables, the one of that name where the file is read
"""

from __future__ import annotations

from collections.abc import Mapping

from engine.errors import InvalidArgument

_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"


def read(text: str, lookup: Mapping[str, str] | None = None) -> dict[str, str]:
    """The pairs of a file, the last of a name counting.

    `lookup`: where a name without `=` gets its value, and is left out if it has none there; None: it gets an empty one.
    Raises InvalidArgument with the line's number.
    """
    found: dict[str, str] = {}
    for number, whole in enumerate(text.removeprefix(_BOM).split("\n"), 1):
        line = whole.removesuffix("\r").lstrip()
        if not line or line.startswith("#"):
            continue
        key, has_value, value = line.partition("=")
        if not key:
            raise InvalidArgument(f"line {number}: there is no name before the =: write NAME=value")
        if any(character.isspace() for character in key):
            raise InvalidArgument(f"line {number}: the name {key[:60]!r} holds white space: write NAME=value")
        if has_value:
            found[key] = value
        elif lookup is None:
            found[key] = ""
        elif key in lookup:
            found[key] = lookup[key]
    return found
