"""Dataclasses to JSON objects and back, strict about what is needed and deaf to what is new."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeVar, Union

T = TypeVar("T")


class ContractError(ValueError):
    """A message does not fit the contract; the text names the class and the field."""


_PLAIN = frozenset({str, int, float, bool, type(None)})


def to_wire(value: Any) -> Any:
    """Turn a contract value into what `json.dumps` takes: dict, list, str, int, float, bool, None."""
    kind = type(value)
    if kind in _PLAIN:
        return value
    names = _names(kind)  # type: ignore[arg-type]
    if names is not None:
        return {name: to_wire(getattr(value, name)) for name in names}
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
    for name, where, is_needed, convert in _fields(cls):  # type: ignore[arg-type]
        if name in data:
            arguments[name] = convert(data[name], where)
        elif is_needed:
            raise ContractError(f"{where} is missing")
    return cls(**arguments)


Convert = Callable[[Any, str], Any]
"""A decoded value → the field's own; the text says where, for who has to be told that it does not fit."""


@cache
def _fields(cls: type) -> list[tuple[str, str, bool, Convert]]:
    """Name, place in words, whether it has to be there, and how it is read: found out once, as lists read thousands."""
    hints = typing.get_type_hints(cls)
    missing = dataclasses.MISSING
    return [
        (
            field.name,
            f"{cls.__name__}.{field.name}",
            field.default is missing and field.default_factory is missing,
            _convert(hints[field.name]),
        )
        for field in dataclasses.fields(cls)
    ]


@cache
def _names(cls: type) -> tuple[str, ...] | None:
    """The fields of a dataclass; None for anything else."""
    return tuple(field.name for field in dataclasses.fields(cls)) if dataclasses.is_dataclass(cls) else None


def _convert(hint: Any) -> Convert:
    origin = typing.get_origin(hint)
    if hint is Any or hint is object:
        return lambda value, _: value
    if origin in (Union, types.UnionType):
        return _optional(typing.get_args(hint))
    if origin is tuple:
        return _list(_convert(typing.get_args(hint)[0]))
    if origin is not None and issubclass(origin, Mapping):
        return _object(_convert(typing.get_args(hint)[1]))
    if dataclasses.is_dataclass(hint):
        return lambda value, _: from_wire(typing.cast(type, hint), value)
    return _plain(hint)


def _optional(choices: tuple[Any, ...]) -> Convert:
    inner = _convert(next(choice for choice in choices if choice is not type(None)))
    if type(None) not in choices:
        return inner
    return lambda value, where: None if value is None else inner(value, where)


def _list(inner: Convert) -> Convert:
    def convert(value: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(value, list | tuple):
            raise ContractError(f"{where}: a list is needed, not {type(value).__name__}")
        return tuple([inner(item, where) for item in value])

    return convert


def _object(inner: Convert) -> Convert:
    def convert(value: Any, where: str) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise ContractError(f"{where}: an object is needed, not {type(value).__name__}")
        return {str(key): inner(item, f"{where}.{key}") for key, item in value.items()}

    return convert


def _plain(hint: Any) -> Convert:
    def convert(value: Any, where: str) -> Any:
        if type(value) is hint:
            return value
        if hint is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
            raise ContractError(f"{where}: {hint.__name__} is needed, not {type(value).__name__}")
        return value

    return convert
