"""Dataclasses to JSON objects and back, strict about what is needed and deaf to what is new."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar, Union

T = TypeVar("T")


class ContractError(ValueError):
    """A message does not fit the contract; the text names the class and the field."""


def to_wire(value: Any) -> Any:
    """Turn a contract value into what `json.dumps` takes: dict, list, str, int, float, bool, None."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_wire(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [to_wire(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_wire(item) for key, item in value.items()}
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise ContractError(f"{type(value).__name__} can't be put on the wire")


def from_wire(cls: type[T], data: Any) -> T:
    """Build `cls` from a decoded JSON object.

    Unknown fields are ignored; missing ones take their default. Raises `ContractError` for a missing
    field without default or a value of another type.
    """
    if not isinstance(data, Mapping):
        raise ContractError(f"{cls.__name__}: an object is needed, not {type(data).__name__}")
    arguments: dict[str, Any] = {}
    hints = _hints(cls)  # type: ignore[arg-type]
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        if field.name in data:
            arguments[field.name] = _convert(hints[field.name], data[field.name], f"{cls.__name__}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ContractError(f"{cls.__name__}.{field.name} is missing")
    return cls(**arguments)


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = typing.get_origin(hint)
    if hint is Any or hint is object:
        return value
    if origin in (Union, types.UnionType):
        choices = typing.get_args(hint)
        if value is None and type(None) in choices:
            return None
        rest = [choice for choice in choices if choice is not type(None)]
        return _convert(rest[0], value, where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise ContractError(f"{where}: a list is needed, not {type(value).__name__}")
        return tuple(_convert(typing.get_args(hint)[0], item, where) for item in value)
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, Mapping):
            raise ContractError(f"{where}: an object is needed, not {type(value).__name__}")
        inner = typing.get_args(hint)[1]
        return {str(key): _convert(inner, item, f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_wire(typing.cast(type, hint), value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ContractError(f"{where}: {hint.__name__} is needed, not {type(value).__name__}")
    return value
