"""Reading the JSON documents of strangers: bounded in size, checked field by field."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from engine.errors import DataCorrupt

MAX_MANIFEST_BYTES = 4 << 20
MAX_CONFIG_BYTES = 8 << 20

T = TypeVar("T")


class InvalidDocument(DataCorrupt):
    """A manifest, index or config is not what the specification says."""


def load(data: bytes, what: str, limit: int) -> dict[str, Any]:
    """Decode one JSON object named `what` in messages. Raises `InvalidDocument`.

    Its texts are real text: half characters (lone surrogates) and NUL, which JSON can write as escapes, go into no
    database, no command and no file name, so they are refused here.
    """
    if len(data) > limit:
        raise InvalidDocument(f"the {what} has {len(data)} bytes; more than {limit} are refused")
    try:
        text = data.decode("utf-8")
        document = json.loads(text)
        if "\\u" in text and not _is_text(document):
            raise InvalidDocument(f"the {what} holds a NUL or half a character")
    except (ValueError, RecursionError) as error:
        raise InvalidDocument(f"the {what} is not JSON ({type(error).__name__})") from error
    if not isinstance(document, dict):
        raise InvalidDocument(f"the {what} is not a JSON object")
    return document


def _is_text(document: Any) -> bool:
    pending = [document]
    while pending:
        value = pending.pop()
        if isinstance(value, dict):
            pending += [*value, *value.values()]
        elif isinstance(value, list):
            pending += value
        elif isinstance(value, str) and ("\0" in value or any("\ud800" <= c <= "\udfff" for c in value)):
            return False
    return True


def optional(document: dict[str, Any], key: str, kind: type[T], default: T, what: str) -> T:
    """The value at `key`, `default` where it is missing or null. Raises `InvalidDocument` for another type."""
    value = document.get(key)
    if value is None:
        return default
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise InvalidDocument(f"the {what}'s {key} is a {type(value).__name__}, not a {kind.__name__}")
    return value


def required(document: dict[str, Any], key: str, kind: type[T], what: str) -> T:
    """The value at `key`. Raises `InvalidDocument` where it is missing or of another type."""
    if document.get(key) is None:
        raise InvalidDocument(f"the {what} has no {key}")
    value: T = optional(document, key, kind, document[key], what)
    return value


def strings(document: dict[str, Any], key: str, what: str) -> tuple[str, ...]:
    """The list of strings at `key`, empty where it is missing or null."""
    values = optional(document, key, list, [], what)
    if not all(isinstance(value, str) for value in values):
        raise InvalidDocument(f"the {what}'s {key} is not a list of strings")
    return tuple(values)


def string_map(document: dict[str, Any], key: str, what: str) -> dict[str, str]:
    """The object of strings at `key`, empty where it is missing or null."""
    values = optional(document, key, dict, {}, what)
    if not all(isinstance(value, str) for value in values.values()):
        raise InvalidDocument(f"the {what}'s {key} holds something else than strings")
    return dict(values)
