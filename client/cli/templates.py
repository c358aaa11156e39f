"""--format: the part of Go's text/template that people use with docker.

    {{.Names}}   {{.State.Health}}   {{json .}}   {{upper .ID}}   {{.Name | lower}}   {{join .Tags ", "}}
    {{range .Ports}}…{{end}}   {{if .Error}}…{{else}}…{{end}}   {{println .ID}}   {{index .Labels "app"}}

A field is one of docker's table, or of the object as REST has it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

from client.errors import InvalidArgument

_PARTS = re.compile(r"\{\{(-?)(.*?)(-?)\}\}", re.DOTALL)
_WORDS = re.compile(r'"(?:[^"\\]|\\.)*"|\||[^\s|"]+')
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "json": lambda value: json.dumps(value, ensure_ascii=False, default=str),
    "upper": lambda value: _text(value).upper(),
    "lower": lambda value: _text(value).lower(),
    "title": lambda value: _text(value).title(),
    "join": lambda values, between="": between.join(_text(one) for one in values or ()),
    "split": lambda text, between: _text(text).split(between),
    "len": lambda value: len(value or ()),
    "println": lambda *values: " ".join(_text(one) for one in values) + "\n",
    "print": lambda *values: "".join(_text(one) for one in values),
    "index": lambda value, *keys: _indexed(value, keys),
    "truncate": lambda text, count: _text(text)[: int(count)],
    "pad": lambda text, before, after: " " * int(before) + _text(text) + " " * int(after),
}
Node = Callable[[Any], str]


class Template:
    """Raises InvalidArgument for what is no template, or not of this part of the language."""

    def __init__(self, text: str) -> None:
        text = text.replace("\\t", "\t").replace("\\n", "\n")
        self._tokens: list[tuple[str, str]] = []
        end = 0
        for found in _PARTS.finditer(text):
            before = text[end : found.start()]
            self._tokens.append(("text", before.rstrip() if found[1] else before))
            self._tokens.append(("code", found[2].strip()))
            end = found.end()
        rest = text[end:]
        if "{{" in rest:
            raise InvalidArgument("--format: a {{ has no }}")
        self._tokens.append(("text", rest))
        self.fields = [word for kind, code in self._tokens if kind == "code" for word in re.findall(r"\.(\w+)", code)]
        self._at = 0
        self._root = self._block(())
        if self._at < len(self._tokens):
            raise InvalidArgument("--format: an {{end}} has no beginning")

    def render(self, row: Any) -> str:
        """The text for one object."""
        return self._root(row)

    def _block(self, ends: Sequence[str]) -> Node:
        nodes: list[Node] = []
        while self._at < len(self._tokens):
            kind, code = self._tokens[self._at]
            if kind == "code" and (code in ends or (code in ("end", "else") and not ends)):
                return _together(nodes)
            self._at += 1
            nodes.append(_constant(code) if kind == "text" else self._code(code))
        if ends:
            raise InvalidArgument("--format: an {{end}} is missing")
        return _together(nodes)

    def _code(self, code: str) -> Node:
        word, _, rest = code.partition(" ")
        if word not in ("if", "range"):
            value = _pipeline(code)
            return lambda row: _text(value(row))
        value, body = _pipeline(rest), self._block(("end", "else"))
        other = _constant("")
        if self._tokens[self._at][1] == "else":
            self._at += 1
            other = self._block(("end",))
        self._at += 1
        if word == "if":
            return lambda row: body(row) if value(row) else other(row)
        return lambda row: "".join(body(one) for one in _each(value(row))) if value(row) else other(row)


def _constant(text: str) -> Node:
    return lambda _: text


def _together(nodes: list[Node]) -> Node:
    return lambda row: "".join(node(row) for node in nodes)


def _pipeline(code: str) -> Callable[[Any], Any]:
    steps: list[list[str]] = [[]]
    for word in _WORDS.findall(code):
        if word == "|":
            steps.append([])
        else:
            steps[-1].append(word)
    if not all(steps):
        raise InvalidArgument(f"--format: {{{{{code}}}}} says nothing: write {{{{.Field}}}}")
    calls = [_call(step, code) for step in steps]

    def run(row: Any) -> Any:
        value = calls[0](row, ())
        for call in calls[1:]:
            value = call(row, (value,))
        return value

    return run


def _call(words: list[str], code: str) -> Callable[[Any, tuple[Any, ...]], Any]:
    name = words[0]
    if name in _FUNCTIONS:
        function, values = _FUNCTIONS[name], [_operand(word, code) for word in words[1:]]

        def run(row: Any, piped: tuple[Any, ...]) -> Any:
            try:
                return function(*(value(row) for value in values), *piped)
            except (TypeError, ValueError, AttributeError):
                raise InvalidArgument(f"--format: {{{{{code}}}}} can't be done with what is there") from None

        return run
    if len(words) > 1:
        raise InvalidArgument(f"--format: {name!r} is no function: there are {', '.join(sorted(_FUNCTIONS))}")
    operand = _operand(name, code)
    return lambda row, _: operand(row)


def _operand(word: str, code: str) -> Callable[[Any], Any]:
    if word.startswith('"'):
        text = json.loads(word)
        return lambda _: text
    if word.lstrip("-").isdigit():
        number = int(word)
        return lambda _: number
    if word == ".":
        return lambda row: row
    if not word.startswith("."):
        raise InvalidArgument(f"--format: {word[:40]!r} is no field: fields begin with a dot, as .Name")
    names = word[1:].split(".")
    return lambda row: _field(row, names)


def _field(row: Any, names: Sequence[str]) -> Any:
    for name in names:
        if not isinstance(row, dict):
            return None
        snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()
        row = row[name] if name in row else row.get(snake)
    return row


def _indexed(value: Any, keys: Sequence[Any]) -> Any:
    for key in keys:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list) and isinstance(key, int) and -len(value) <= key < len(value):
            value = value[key]
        else:
            return None
    return value


def _each(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
