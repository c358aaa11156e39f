"""Standard modules without what makes their import slow: `from engine.bare import json, socket`.

An OCI runtime's command line lives for milliseconds. Half of them went into modules of which it needs a few lines:
`json` imports `re` and with it `enum`, `socket` and `signal` turn their constants into enumerations, `contextlib`
brings `functools` and `collections`, `ctypes` declares every type of C. What is handed out here under their names is
their C half, with the few Python lines around it that are needed, and made when it is first asked for. A name that is
missing here is taken from the real module: slower, never wrong.
"""

from __future__ import annotations

import sys

__all__ = ["contextlib", "ctypes", "json", "namedtuple", "signal", "socket", "struct"]

TYPE_CHECKING = False
if TYPE_CHECKING:
    import contextlib
    import ctypes
    import json
    import signal
    import socket
    import struct
    from collections import namedtuple
    from collections.abc import Callable
    from typing import Any
else:

    def namedtuple(name: str, fields: str) -> type:
        return _namedtuple(name, fields.split())


class _Bare(type(sys)):  # type: ignore[misc]
    """Named like the module that it stands for, and filled at the first use of a name."""

    def __init__(self, name: str, make: Callable[[], dict[str, Any]]) -> None:
        super().__init__(name)
        self.__dict__["_make"] = make

    def __getattr__(self, name: str) -> Any:
        make = self.__dict__.pop("_make", None)
        if make is not None:
            # Not __name__, which says where to look for what is missing.
            self.__dict__.update({key: value for key, value in make().items() if not key.startswith("__")})
            if name in self.__dict__:
                return self.__dict__[name]
        if name == "__path__":
            raise AttributeError(name)
        return getattr(_module(self.__name__), name)


def _module(name: str) -> Any:
    return __import__(name)


def _namedtuple(name: str, names: list[str]) -> type:
    getter = _module("_collections")._tuplegetter

    def new(cls: type, *values: Any, **named: Any) -> Any:
        values += tuple(named.pop(missing) for missing in names[len(values) :])
        if named or len(values) != len(names):
            raise TypeError(f"{name} has the fields {' '.join(names)}")
        return tuple.__new__(cls, values)

    def replaced(self: Any, **changes: Any) -> Any:
        values = [changes.pop(key, value) for key, value in zip(names, self, strict=True)]
        return new(type(self), *values, **changes)

    content = {key: getter(index, "") for index, key in enumerate(names)}
    return type(name, (tuple,), {"__slots__": (), "__new__": new, "_replace": replaced, **content})


class _Suppress:
    def __init__(self, *exceptions: type[BaseException]) -> None:
        self.exceptions = exceptions

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> bool:
        return kind is not None and issubclass(kind, self.exceptions)


class _Manager:
    """What a generator under @contextmanager returns."""

    def __init__(self, generator: Any) -> None:
        self.generator = generator

    def __enter__(self) -> Any:
        return next(self.generator)

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if error is None:
            next(self.generator, None)
            return False
        try:
            self.generator.throw(error)
        except BaseException as raised:
            if raised is error:
                return False
            raise
        return True


def _contextlib() -> dict[str, Any]:
    def contextmanager(function: Callable[..., Any]) -> Callable[..., _Manager]:
        return lambda *given, **named: _Manager(function(*given, **named))

    return {"suppress": _Suppress, "contextmanager": contextmanager}


def _ctypes() -> dict[str, Any]:
    halved = _module("_ctypes")
    codes = {"c_char": "c", "c_int": "i", "c_long": "l", "c_ulong": "L", "c_size_t": "L"}
    types: dict[str, Any] = {name: type(name, (halved._SimpleCData,), {"_type_": code}) for name, code in codes.items()}
    function = type("Function", (halved.CFuncPtr,), {
        "_flags_": halved.FUNCFLAG_CDECL | halved.FUNCFLAG_PYTHONAPI | halved.FUNCFLAG_USE_ERRNO,
        "_restype_": types["c_int"],
    })  # fmt: skip

    class PyDLL:
        """With errno, whether asked for or not."""

        def __init__(self, name: str | None, *, use_errno: bool) -> None:
            self._handle = halved.dlopen(name, 0)

        def __getattr__(self, name: str) -> Any:
            self.__dict__[name] = found = function((name, self))
            return found

    def create_string_buffer(value: bytes, size: int = 0) -> Any:
        made = (types["c_char"] * (size or len(value) + 1))()
        made.value = value
        return made

    own = {"PyDLL": PyDLL, "create_string_buffer": create_string_buffer}
    same = {name: getattr(halved, name) for name in ("addressof", "get_errno")}
    return {**types, **own, **same}


def _socket() -> dict[str, Any]:
    halved = _module("_socket")
    pack = _module("_struct").pack

    base: Any = halved.socket

    class Socket(base):  # type: ignore[misc]
        def __enter__(self) -> Socket:
            return self

        def __exit__(self, *_: object) -> None:
            self.close()

        def accept(self) -> tuple[Socket, Any]:
            fd, address = self._accept()
            return Socket(fileno=fd), address

    def socketpair(family: int = halved.AF_UNIX, kind: int = halved.SOCK_STREAM) -> tuple[Socket, Socket]:
        one, other = halved.socketpair(family, kind)
        return Socket(fileno=one.detach()), Socket(fileno=other.detach())

    def send_fds(connection: Socket, buffers: list[bytes], fds: list[int]) -> Any:
        rights = (halved.SOL_SOCKET, halved.SCM_RIGHTS, pack(f"{len(fds)}i", *fds))
        return connection.sendmsg(buffers, [rights])

    own = {"socket": Socket, "socketpair": socketpair, "send_fds": send_fds}
    return {**vars(halved), **own}


class _Scanning:
    """What json's scanner in C asks its decoder for."""

    strict, object_hook, object_pairs_hook, parse_float, parse_int = True, None, None, float, int
    parse_constant = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}.__getitem__


def _json() -> dict[str, Any]:
    halved = _module("_json")
    quote = halved.encode_basestring_ascii

    def loads(data: str | bytes, **hooks: Any) -> Any:
        decoder = _Scanning()
        decoder.__dict__.update(hooks)
        try:
            text = (data if isinstance(data, str) else data.decode()).strip(" \t\n\r")
            found, end = halved.make_scanner(decoder)(text, 0)
            if end == len(text):
                return found
        except (StopIteration, ValueError, SystemError):  # the last without the half of json that has its errors
            pass
        return _module("json").loads(data, **hooks)  # which knows what is wrong and where, and other encodings

    def dumps(value: object, *, indent: Any = None, separators: Any = None, sort_keys: bool = False) -> str:
        if indent is not None:
            return _indented(value, "\n", " " * indent if isinstance(indent, int) else indent, dumps)
        item, key = separators or (", ", ": ")
        encode = halved.make_encoder({}, _unknown, quote, None, key, item, sort_keys, False, True)
        return "".join(encode(value, 0))

    def load(file: Any, **hooks: Any) -> Any:
        return loads(file.read(), **hooks)

    def dump(value: object, file: Any, **how: Any) -> None:
        file.write(dumps(value, **how))

    return {"loads": loads, "dumps": dumps, "load": load, "dump": dump}


def _unknown(value: object) -> Any:
    raise TypeError(f"Object of type {type(value).__name__} is not JSON serializable")


def _indented(value: Any, line: str, step: str, plain: Callable[[Any], str]) -> str:
    """json.dumps with an indent; `plain` writes what has none: texts, numbers and what is empty."""
    below = line + step
    if isinstance(value, dict) and value:
        items = (f"{plain(key)}: {_indented(item, below, step, plain)}" for key, item in value.items())
        return f"{{{below}{f',{below}'.join(items)}{line}}}"
    if isinstance(value, list | tuple) and value:
        return f"[{below}{f',{below}'.join(_indented(item, below, step, plain) for item in value)}{line}]"
    return plain(value)


if not TYPE_CHECKING:
    contextlib = _Bare("contextlib", _contextlib)
    ctypes = _Bare("ctypes", _ctypes)
    json = _Bare("json", _json)
    signal = _Bare("signal", lambda: vars(_module("_signal")))
    socket = _Bare("socket", _socket)
    struct = _Bare("struct", lambda: vars(_module("_struct")))
