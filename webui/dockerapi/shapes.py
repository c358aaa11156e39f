"""Reading JSON that a client sent: each value has to be of its kind; null is the same as nothing.

`name` is where it stands, for the message. All raise InvalidArgument.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from engine.errors import InvalidArgument

LARGEST = (1 << 63) - 1
_NOT_KEPT = re.compile("[\0\ud800-\udfff]")


def parsed(data: bytes | str) -> Any:
    """What JSON says. Refused are also texts that no database keeps: with a NUL, or half of a surrogate pair."""
    try:
        text = data if isinstance(data, str) else data.decode("utf-8-sig")
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidArgument(f"invalid JSON: {error}") from None
    if "\\u" in text:  # neither can be there but as an escape
        _check_texts(value)
    return value


def _check_texts(value: Any) -> None:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            waiting += [*one.keys(), *one.values()]
        elif isinstance(one, list):
            waiting += one
        elif isinstance(one, str) and _NOT_KEPT.search(one):
            raise InvalidArgument("invalid JSON: a text has a NUL or half of a surrogate pair in it: leave that out")


def text(value: Any, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong(name, "a string")
    return value


def flag(value: Any, name: str) -> bool:
    if value is None:
        return False
    if not isinstance(value, bool):
        raise wrong(name, "true or false")
    return value


def number(value: Any, name: str) -> int:
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > LARGEST:
        raise wrong(name, "a whole number")
    return value


def strings(value: Any, name: str) -> list[str]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise wrong(name, "a list of strings")
    return value


def words(value: Any, name: str) -> list[str] | None:
    """A command: a list of words, or one word; None if it isn't there."""
    if value is None:
        return None
    return [value] if isinstance(value, str) else strings(value, name)


def mapping(value: Any, name: str) -> dict[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise wrong(name, "an object")
    return value


def pairs(value: Any, name: str) -> dict[str, str]:
    found = mapping(value, name)
    if not all(isinstance(one, str) for one in found.values()):
        raise wrong(name, "an object of strings")
    return found


def objects(value: Any, name: str) -> list[dict[str, Any]]:
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise wrong(name, "a list of objects")
    return value


def member(given: Mapping[str, Any], name: str) -> Any:
    """As Go's decoder finds one: by its name, else whatever the case of its letters; None if it isn't there."""
    if name in given:
        return given[name]
    lower = name.lower()
    return next((value for key, value in given.items() if key.lower() == lower), None)


def wrong(name: str, kind: str) -> InvalidArgument:
    return InvalidArgument(f"invalid JSON: {name} has to be {kind}")
