"""logs and events: what was said and what happened, and what comes."""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from client.cli import finding, output
from client.cli.shell import Command, Shell, UsageError
from client.cli.templates import Template
from client.resource import Json
from engine.options import typed

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}([T ].*)?")


def add_logs(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="and what comes, until it runs no more")
    parser.add_argument("-n", "--tail", default="all", metavar="LINES", help="only the last ones")
    parser.add_argument("-t", "--timestamps", action="store_true", help="begin each line with its moment")
    parser.add_argument("--since", metavar="TIME", help="from 10m ago on, or from 2026-08-01T12:00:00Z on")
    parser.add_argument("--until", metavar="TIME", help="before then")
    parser.add_argument("--stream", choices=("stdout", "stderr"), help="only this one")
    parser.add_argument("name", metavar="CONTAINER")


def logs(shell: Shell, options: argparse.Namespace) -> None:
    """stdout to ours, stderr to ours; a log of a removed container for as long as it is kept."""
    if options.tail != "all" and not options.tail.isdigit():
        raise UsageError("--tail takes a number of lines, or all")
    find = finding.container if options.follow else finding.container_or_log
    container = find(shell.site, options.name, shell.host)
    chunks = shell.site.logs(
        container["id"],
        follow=options.follow,
        tail=None if options.tail == "all" else int(options.tail),
        since=None if options.since is None else at_time(options.since),
        until=None if options.until is None else at_time(options.until),
        stream=options.stream,
    )
    if shell.wants_json:
        for chunk in chunks:
            shell.write(json.dumps(chunk) + "\n")
        return
    copy(chunks, stamped=options.timestamps)


def copy(chunks: Iterable[Json], *, stamped: bool) -> None:
    """Each stream to its own. What is said is shown as it is, as a terminal's own program would show it."""
    in_line = {"stdout": False, "stderr": False}
    for chunk in chunks:
        target = sys.stderr if chunk["stream"] == "stderr" else sys.stdout
        text = chunk["text"]
        if stamped:
            text, in_line[chunk["stream"]] = _stamped(text, chunk["at"], in_line[chunk["stream"]])
        target.buffer.write(text.encode())
        target.flush()


def _stamped(text: str, at: float, in_line: bool) -> tuple[str, bool]:
    """(text with a moment before each line, whether it ends within a line)."""
    moment = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lines = text.splitlines(keepends=True) if "\n" in text else [text]
    parts = [line if in_line and not number else f"{moment} {line}" for number, line in enumerate(lines)]
    return "".join(parts), not text.endswith("\n")


def at_time(text: str) -> float:
    """Unix seconds of `10m` ago, of a number of them, or of a moment (RFC 3339, local without a zone)."""
    if re.fullmatch(r"\d+(\.\d+)?", text):
        return float(text)
    if _DAY.fullmatch(text):
        try:
            return datetime.fromisoformat(text).timestamp()
        except ValueError:
            raise UsageError(f"{text[:40]!r} is no moment: write 2026-08-01T12:00:00Z") from None
    return time.time() - typed.seconds(text)


def add_events(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--since", metavar="TIME", help="what happened then and later, too")
    parser.add_argument("--until", metavar="TIME", help="up to then, and no further")
    parser.add_argument("--no-follow", action="store_true", help="only what has happened")
    parser.add_argument(
        "-f",
        "--filter",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="type, event, container, image, label, host, team",
    )
    parser.add_argument("--format", metavar="FORMAT", help="json, or a template such as '{{.action}}'")


def events(shell: Shell, options: argparse.Namespace) -> None:
    filters: dict[str, Any] = {}
    for text in options.filter:
        name, sign, value = text.partition("=")
        if not sign or name not in ("type", "event", "container", "image", "label", "host", "team"):
            raise UsageError("--filter takes type, event, container, image, label, host and team, as type=container")
        filters.setdefault(name, []).append(value)
    if shell.host is not None:
        filters.setdefault("host", []).append(shell.host)
    for name in ("since", "until"):
        if getattr(options, name) is not None:
            filters[name] = f"{at_time(getattr(options, name)):.6f}"
    template = None if options.format in (None, "json") else Template(options.format)
    follows = not options.no_follow and (options.until is None or float(filters["until"]) > time.time())
    rows = shell.site.follow_events(**filters) if follows else shell.site.events.list(**filters, ordering="id")
    for event in rows:
        if shell.wants_json or options.format == "json":
            shell.write(json.dumps(event) + "\n")
        else:
            shell.write(f"{template.render(event) if template else line(event)}\n")


def line(event: Json) -> str:
    """As docker writes it."""
    actor = event["actor"]
    told = ", ".join(f"{name}={value}" for name, value in actor["attributes"].items())
    said = f"{event['at']} {event['host']['name']} {event['type']} {event['action']} {actor['id']}"
    return output.plain(f"{said} ({told})" if told else said)


COMMANDS = (
    Command(("logs",), "Show what a container has printed", logs, add_logs),
    Command(("events",), "Show what happens on the hosts, as it happens", events, add_events),
)
