"""recreate: another container in the place of one, as that one is but for what is said."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Any, cast

from client.cli import finding
from client.cli.shell import Command, Shell, UsageError
from client.resource import Json
from engine import run_options

EPILOG = """What is not said stays as it is: `portside recreate --pull always web` runs the newest image of web's name.
Variables and labels are changed one by one; of all else that can be given several times, what is said replaces all
that there is. If anything fails, the container is as it was."""


def add(parser: argparse.ArgumentParser) -> None:
    run_options.add_recreate(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="tell nothing of a pull")
    parser.add_argument(
        "-V", "--renew-anon-volumes", action="store_true", help="begin with new volumes where they have no name"
    )
    parser.add_argument("--start", action=argparse.BooleanOptionalAction, help="if left out: those that run")
    parser.epilog = EPILOG


def recreate(shell: Shell, options: argparse.Namespace) -> int:
    """One after another, so that of several not all are away at once; tells the new ids."""
    body: dict[str, Any] = {"keep": True, **run_options.alterations(options)}
    if "name" in body and len(options.names) > 1:
        raise UsageError("one name is for one container: leave --name out, or name one container")
    if options.renew_anon_volumes:
        body["renew_volumes"] = True
    if options.start is not None:
        body["start"] = options.start
    wire = {name: list(value) if isinstance(value, tuple) else value for name, value in body.items()}
    return shell.each(options.names, lambda name: _one(shell, name, wire, quiet=options.quiet))


def _one(shell: Shell, name: str, body: Mapping[str, Any], *, quiet: bool) -> str:
    found = finding.container(shell.site, name, shell.host)
    answer: Json = shell.site.containers.recreate(found["id"], **cast(Any, body))
    shell.wait(answer, quiet=quiet)
    return str(answer["container"]["id"])


COMMANDS = (Command(("recreate",), "Make containers anew, as they are but for what is said", recreate, add),)
