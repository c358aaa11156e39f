"""Typed, frozen values out of JSON, each field with its reader; a wrong one is refused with its path.

A reader takes (value, path) and returns the value or raises InvalidArgument, whose message begins with the path
(`process.rlimits[0].soft`) and whose detail["field"] is the path. A class lists its fields once:

    class Rlimit(Value):
        type: str = field(one_of("RLIMIT_CPU", …), required=True)
        soft: int = field(uint64, required=True)

Plain classes instead of dataclasses: a container runtime's command line reads one document and is gone, and making
sixty dataclasses would cost it more than all else it does.
"""

from __future__ import annotations

from engine.errors import InvalidArgument

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

    T = TypeVar("T")
    Reader = Callable[[object, str], T]
else:

    def dataclass_transform(**_):
        return lambda cls: cls


_WORDS: Mapping[type, str] = {
    str: "a string", bool: "true or false", int: "a whole number", list: "a list", dict: "an object",
    float: "a number", type(None): "null",
}  # fmt: skip


def refuse(path: str, why: str) -> InvalidArgument:
    """The error for the field at `path`, ready to be raised."""
    return InvalidArgument(f"{path or 'config.json'}: {why}", {"field": path})


class Field:
    """How one field is read; see `field`."""

    __slots__ = ("default", "key", "reader", "required")

    def __init__(self, reader: Reader[Any], key: str, required: bool, default: object) -> None:
        self.reader, self.key, self.required, self.default = reader, key, required, default


def field(reader: Reader[Any], *, key: str = "", required: bool = False, default: Any = None) -> Any:
    """A field of a `Value`. `key`: its name in JSON if that isn't the attribute's in camelCase."""
    return Field(reader, key, required, default)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
class Value:
    """An immutable value; null counts as missing, as in the Go types that the specifications come from."""

    if TYPE_CHECKING:
        _fields: ClassVar[dict[str, Field]]
    else:

        def __init_subclass__(cls) -> None:
            cls._fields = {}
            for name, found in list(vars(cls).items()):
                if isinstance(found, Field):
                    found.key = found.key or _camel_case(name)
                    cls._fields[name] = found

        def __init__(self, **values) -> None:
            for name, found in self._fields.items():
                if name not in values and found.required:
                    raise TypeError(f"{type(self).__name__} needs {name}")
                self.__dict__[name] = values.pop(name, found.default)
            if values:
                raise TypeError(f"{type(self).__name__} has no {', '.join(values)}")

        def __setattr__(self, name, _):
            raise AttributeError(f"{type(self).__name__}.{name} can't be changed")

    @classmethod
    def read(cls, document: object, path: str) -> Self:
        """The value that the JSON object `document` describes; what it doesn't know, it ignores."""
        content = mapping(document, path)
        values: dict[str, Any] = {}
        for name, found in cls._fields.items():
            given = content.get(found.key)
            if given is not None:
                values[name] = found.reader(given, below(path, found.key))
            elif found.required:
                raise refuse(below(path, found.key), "is missing")
        made = cls(**values)
        made.check(path)
        return made

    def check(self, path: str) -> None:
        """What no single field can say; for subclasses."""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.__dict__ == other.__dict__

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in self.__dict__.items())})"


def _camel_case(name: str) -> str:
    if "_" not in name:
        return name
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _expect(value: object, kind: type[T], path: str) -> T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise refuse(path, f"must be {_WORDS[kind]}, not {_WORDS.get(type(value), type(value).__name__)}")
    return value


def text(value: object, path: str) -> str:
    """A string that a system call can take: no zero byte, and nothing that UTF-8 can't hold."""
    found = _expect(value, str, path)
    if "\0" in found:
        raise refuse(path, "must not contain a zero byte")
    if not found.isascii() and any("\ud800" <= character <= "\udfff" for character in found):
        raise refuse(path, "contains half a surrogate pair, which is no character")
    return found


def full_text(value: object, path: str) -> str:
    """A string of at least one character."""
    found = text(value, path)
    if not found:
        raise refuse(path, "must not be empty")
    return found


def absolute_path(value: object, path: str) -> str:
    found = text(value, path)
    if not found.startswith("/"):
        raise refuse(path, f"must be an absolute path, not {found!r}")
    return found


def boolean(value: object, path: str) -> bool:
    return _expect(value, bool, path)


def mapping(value: object, path: str) -> dict[str, Any]:
    return _expect(value, dict, path)


def number(low: int, high: int) -> Reader[int]:
    """A whole number from `low` to `high`, both included."""

    def read(value: object, path: str) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON has one kind of number, and 1e3 is a whole one
        found = _expect(value, int, path)
        if not low <= found <= high:
            raise refuse(path, f"must be from {low} to {high}, not {found}")
        return found

    return read


uint16, uint32, uint64 = number(0, (1 << 16) - 1), number(0, (1 << 32) - 1), number(0, (1 << 64) - 1)
# No user's or group's: to setresuid(2) and chown(2) it is -1, "leave as it is", and so root would remain.
identity = number(0, (1 << 32) - 2)
int32, int64 = number(-(1 << 31), (1 << 31) - 1), number(-(1 << 63), (1 << 63) - 1)


def matches(pattern: str, found: str) -> bool:
    """Whether all of `found` is what the regular expression describes, in ASCII; their module is loaded only here."""
    import re

    return re.fullmatch(pattern, found, re.ASCII) is not None


def one_of(*words: str) -> Reader[str]:
    """One of these words."""

    def read(value: object, path: str) -> str:
        found = text(value, path)
        if found not in words:
            known = ", ".join(words) if len(words) <= 8 else "a word of the specification"
            raise refuse(path, f"{found!r} is not {known if len(words) > 8 else f'one of {known}'}")
        return found

    return read


def many(reader: Reader[T], *, unique: bool = False) -> Reader[tuple[T, ...]]:
    """A list, as a tuple. `unique`: nothing twice."""

    def read(value: object, path: str) -> tuple[T, ...]:
        items = _expect(value, list, path)
        found = tuple(reader(item, f"{path}[{index}]") for index, item in enumerate(items))
        if unique and len(set(found)) < len(found):
            index = next(i for i, item in enumerate(found) if item in found[:i])
            raise refuse(f"{path}[{index}]", f"{found[index]!r} is there twice")
        return found

    return read


def named(reader: Reader[T]) -> Reader[dict[str, T]]:
    """An object with keys of the writer's choice."""

    def read(value: object, path: str) -> dict[str, T]:
        content = mapping(value, path)
        return {text(key, f"{path}[{key!r}]"): reader(item, f"{path}[{key!r}]") for key, item in content.items()}

    return read
