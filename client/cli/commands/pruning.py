"""container prune, and `--filter` of all commands that prune: docker's words to REST's."""

from __future__ import annotations

import argparse
from typing import Any, cast

from client.cli.commands.reading import at_time
from client.cli.shell import Command, Shell, UsageError
from client.errors import PortsideError

_FIELDS = {"label": "labels", "label!": "not_labels"}


def add_filter(parser: argparse.ArgumentParser, *, until: bool = True) -> None:
    """`until`: where it is kept when something was made, so that age can choose."""
    words = "label=NAME[=VALUE], label!=NAME[=VALUE]" + (", until=TIME (as 24h)" if until else "")
    parser.add_argument("--filter", action="append", default=[], metavar="KEY=VALUE", help=words)
    parser.set_defaults(takes_until=until)


def wishes(options: argparse.Namespace) -> dict[str, Any]:
    """What `--filter` says, as REST takes it. Raises UsageError."""
    found: dict[str, Any] = {}
    for text in options.filter:
        name, _, value = text.partition("=")
        if name in _FIELDS and value:
            found.setdefault(_FIELDS[name], []).append(value)
        elif name == "until" and value and options.takes_until and "until" not in found:
            found["until"] = int(at_time(value))
        else:
            known = "label=NAME, label!=NAME" + (" and, once, until=24h" if options.takes_until else "")
            raise UsageError(f"--filter takes {known}, not {text[:60]!r}")
    return found


def add_prune(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--force", action="store_true", help="without asking")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would go")
    add_filter(parser)


def prune(shell: Shell, options: argparse.Namespace) -> int | None:
    body = {"host": shell.host, **wishes(options)}
    would = shell.site.containers.prune(**cast(Any, {**body, "dry_run": True}))["containers"]
    for container in would:
        shell.say(container["name"])
    if not would or options.dry_run:
        return None
    if not shell.confirmed(f"Remove {len(would)} containers?", forced=options.force):
        return None
    code = 0
    for container in shell.site.containers.prune(**cast(Any, body))["containers"]:
        try:
            shell.wait(container)
        except PortsideError as error:  # it was started meanwhile
            shell.problem(error)
            code = 1
    return code


COMMANDS = (Command(("container", "prune"), "Remove containers that don't run", prune, add_prune),)
