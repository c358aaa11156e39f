"""What somebody wants to run in a container, or of the process that it runs, checked field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.errors import InvalidArgument
from worker.contract.sessions import AttachParameters, ExecParameters, TerminalSize

COMMAND_BYTES = 128 << 10
SIZE_MAXIMUM = 0xFFFF
COUNT_MAXIMUM = 2**53
LINES_MAXIMUM = 100_000


def exec_parameters(wish: Mapping[str, Any]) -> ExecParameters:
    """From the fields of an `open` message. Raises InvalidArgument with the field's name."""
    command = wish.get("command")
    if not isinstance(command, list) or not command or not all(isinstance(word, str) for word in command):
        raise _bad("command", "give a list of words, such as ['sh', '-c', 'ls']")
    env = wish.get("env") or {}
    if not isinstance(env, dict) or not all(isinstance(value, str) for value in env.values()):
        raise _bad("env", "give an object of texts")
    for name in env:
        _check_variable(name, "env")
    unset = wish.get("unset") or []
    if not isinstance(unset, list) or not all(isinstance(name, str) for name in unset):
        raise _bad("unset", "give a list of names")
    for name in unset:
        _check_variable(name, "unset")
    words = [*command, *env.values(), *unset]
    if any("\0" in word for word in words) or sum(len(word) for word in words) > COMMAND_BYTES:
        raise _bad("command", f"at most {COMMAND_BYTES} bytes, and no NUL")
    return ExecParameters(
        command=tuple(command),
        env=env,
        unset=tuple(unset),
        user=_text(wish, "user"),
        workdir=_text(wish, "workdir"),
        tty=_flag(wish, "tty"),
        stdin=_flag(wish, "stdin") or _flag(wish, "tty"),
        privileged=_flag(wish, "privileged"),
        size=_size(wish),
    )


def attach_parameters(wish: Mapping[str, Any]) -> AttachParameters:
    """From the fields of an `open` message. Raises InvalidArgument with the field's name."""
    logs = 0 if wish.get("logs") is None else number_of(wish, "logs", LINES_MAXIMUM)
    return AttachParameters(logs=logs, stdin=_flag(wish, "stdin"), size=_size(wish), ahead=_flag(wish, "ahead"))


def number_of(wish: Mapping[str, Any], name: str, maximum: int = COUNT_MAXIMUM) -> int:
    """A whole number from 0 to `maximum`. Raises InvalidArgument."""
    number = wish.get(name)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= maximum:
        raise _bad(name, f"give a whole number from 0 to {maximum}")
    return number


def _size(wish: Mapping[str, Any]) -> TerminalSize | None:
    if wish.get("rows") is None and wish.get("columns") is None:
        return None
    return TerminalSize(rows=number_of(wish, "rows", SIZE_MAXIMUM), columns=number_of(wish, "columns", SIZE_MAXIMUM))


def _text(wish: Mapping[str, Any], name: str) -> str | None:
    text = wish.get(name)
    if text is not None and (not isinstance(text, str) or "\0" in text or len(text) > 4096):
        raise _bad(name, "give a text of at most 4096 characters")
    return text or None


def _check_variable(name: str, field: str) -> None:
    if not name or "=" in name or "\0" in name:
        raise _bad(field, f"{name!r} can't be a variable's name")


def _flag(wish: Mapping[str, Any], name: str) -> bool:
    flag = wish.get(name, False)
    if not isinstance(flag, bool):
        raise _bad(name, "give true or false")
    return flag


def _bad(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(f"{field}: {message}", {"field": field})
