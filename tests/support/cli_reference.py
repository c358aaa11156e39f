"""`python -m tests.support.cli_reference`: write the table of commands in docs/cli.md from what the commands take."""

from __future__ import annotations

import argparse
from pathlib import Path

from client.cli import catalog
from client.cli.shell import Command, parser_of

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "cli.md"
BEGIN, END = "<!-- commands: made by python -m tests.support.cli_reference -->\n", "<!-- end of commands -->\n"
_LIKE_DOCKER = {("run",): "run", ("create",): "run", ("exec",): "exec", ("update",): "update"}
_GENERAL = ("--help", "--context", "--host", "--json")


def row(command: Command) -> str:
    """One command as a line of the table."""
    parser = parser_of(command)
    places = [_place(action) for action in parser._actions if not action.option_strings]
    if command.words in _LIKE_DOCKER:
        flags = f"those of `docker {_LIKE_DOCKER[command.words]}`: [options.md](options.md)"
    elif command.words == ("recreate",):
        taken = {name for action in parser_of(catalog.commands_of("run")[0])._actions for name in action.option_strings}
        own = [_flag(one) for one in parser._actions if _is_own(one) and taken.isdisjoint(one.option_strings)]
        like = "those of `docker run` that are about the container, with `--no-…` for what is on or off"
        flags = f"{like}: [options.md](options.md); {', '.join(own)}"
    else:
        flags = ", ".join(_flag(action) for action in parser._actions if _is_own(action)) or "-"
    return f"| `portside {' '.join([command.name, *places])}` | {command.help} | {flags} |"


def _is_own(action: argparse.Action) -> bool:
    return bool(action.option_strings) and action.help != argparse.SUPPRESS and action.option_strings[0] not in _GENERAL


def _flag(action: argparse.Action) -> str:
    names = " ".join(f"`{name}`" for name in action.option_strings)
    return f"{names} ({action.help})" if action.help else names


def _place(action: argparse.Action) -> str:
    name = str(action.metavar or action.dest.upper())
    if action.choices:
        name = "/".join(map(str, action.choices))
    several = {"+": f"{name}…", "*": f"[{name}…]", "?": f"[{name}]", argparse.REMAINDER: f"[{name}…]"}
    return several.get(str(action.nargs), name).replace("|", "\\|")


def table() -> str:
    """All commands, as the document has to have them."""
    lines = ["| Command | What it does | Its options |", "| --- | --- | --- |"]
    lines += [row(command) for command in catalog.all_commands()]
    return "\n".join(lines) + "\n"


def renewed(text: str) -> str:
    """The document with the table as it is now."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


if __name__ == "__main__":
    DOCUMENT.write_text(renewed(DOCUMENT.read_text()))
