"""api: any request to the site, as `gh api` has it."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from client.cli.shell import Command, Shell, UsageError
from client.errors import InvalidArgument

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")


def add_api(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--field", action="append", default=[], metavar="NAME=VALUE", help="a text")
    parser.add_argument(
        "-F",
        "--typed-field",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a number, true, false, null, JSON, or @FILE for a file's text",
    )
    parser.add_argument("--input", metavar="FILE", help="the body as it is, - for standard input")
    parser.add_argument("--paginate", action="store_true", help="all pages of a list")
    parser.add_argument("words", nargs="+", metavar="[METHOD] PATH", help="as GET hosts, or /api/v1/hosts/")


def api(shell: Shell, options: argparse.Namespace) -> None:
    """Fields are parameters of a GET and the body of all else; a method left out is POST where there are fields."""
    fields = {**dict(_pair(text) for text in options.field), **dict(_typed(text) for text in options.typed_field)}
    method, path = _words(options.words, has_body=bool(fields) or options.input is not None)
    if options.paginate:
        shell.dump(list(shell.site.pages(path, fields)))
        return
    more: dict[str, Any] = {}
    if method in ("GET", "HEAD"):
        more["query"] = {name: value if isinstance(value, list) else str(value) for name, value in fields.items()}
    elif options.input is not None:
        data = sys.stdin.buffer.read() if options.input == "-" else _read(options.input)
        more = {"data": data, "content_type": "application/json"}
    elif method != "DELETE" or fields:
        more["body"] = fields
    with shell.site.transport.send(method, path, **more) as answer:
        if "json" in answer.headers.get("Content-Type", "") and "ndjson" not in answer.headers.get("Content-Type", ""):
            shell.dump(answer.json())
            return
        for part in answer:
            sys.stdout.buffer.write(part)
        sys.stdout.flush()


def _words(words: list[str], *, has_body: bool) -> tuple[str, str]:
    if len(words) > 2 or (len(words) == 2 and words[0].upper() not in _METHODS):
        raise UsageError(f"write `portside api [METHOD] PATH`, the method one of {', '.join(_METHODS)}")
    method = words[0].upper() if len(words) == 2 else "POST" if has_body else "GET"
    path, _, query = words[-1].partition("?")
    if not path.startswith("/"):
        path = f"/api/v1/{path}"
    path = path if path.endswith("/") else f"{path}/"
    return method, f"{path}?{query}" if query else path


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise UsageError(f"{text[:60]!r} is no field: write NAME=VALUE")
    return name, value


def _typed(text: str) -> tuple[str, Any]:
    name, value = _pair(text)
    if value.startswith("@"):
        return name, _read(value[1:]).decode(errors="replace")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InvalidArgument(f"{path} can't be read: {error.strerror}") from None


COMMANDS = (Command(("api",), "Send any request to the site's REST interface", api, add_api),)
