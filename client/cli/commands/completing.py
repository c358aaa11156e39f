"""completion: what a shell offers when somebody presses Tab; names of containers and images come from the site."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Callable, Iterable

from client.cli import catalog
from client.cli.shell import Command, Shell, parser_of
from client.errors import PortsideError

_MOST = 200
_BASH = """_portside() {
  local IFS=$'\\n'
  COMPREPLY=($(portside __complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
  [ ${#COMPREPLY[@]} -eq 0 ] && COMPREPLY=($(compgen -f -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o nosort -F _portside portside
"""
_ZSH = """#compdef portside
_portside() {
  local -a found
  found=("${(@f)$(portside __complete -- "${words[@]:1:$((CURRENT-1))}" 2>/dev/null)}")
  if [[ -n "$found" ]]; then compadd -a found; else _files; fi
}
compdef _portside portside
"""
_FISH = """function __portside_complete
  set -l words (commandline -opc) (commandline -ct)
  portside __complete -- $words[2..-1] 2>/dev/null
end
complete -c portside -f -a '(__portside_complete)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=tuple(_SCRIPTS))
    parser.epilog = "As in: source <(portside completion bash)"


def completion(shell: Shell, options: argparse.Namespace) -> None:
    shell.write(_SCRIPTS[options.shell])


def add_complete(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("words", nargs=argparse.REMAINDER)


def complete(shell: Shell, options: argparse.Namespace) -> None:
    """What the last word may become, one a line. What can't be found out is nothing to complain about now."""
    words = options.words[1:] if options.words[:1] == ["--"] else options.words
    words = words or [""]
    try:
        found = [text for text in candidates(shell, words[:-1], words[-1]) if text.startswith(words[-1])]
    except PortsideError:
        return
    shell.write("".join(f"{text}\n" for text in dict.fromkeys(found)))


def candidates(shell: Shell, before: list[str], last: str) -> Iterable[str]:
    """All words that may follow."""
    typed = [word for word in before if not word.startswith("-")]
    if not typed:
        return catalog.first_words()
    commands = catalog.commands_of(typed[0])
    verbs = [command.words[1] for command in commands if len(command.words) > 1]
    chosen = next((one for one in commands if one.words == tuple(typed[: len(one.words)])), None)
    if len(typed) == 1 and verbs and not last.startswith("-"):
        return verbs
    if chosen is None:
        return ()
    if last.startswith("-"):
        return _flags(chosen)
    kind = next((name for name in _kinds(chosen) if name in _NAMES), None)
    return itertools.islice(_NAMES[kind](shell), _MOST) if kind else ()


def _flags(command: Command) -> list[str]:
    hidden = argparse.SUPPRESS
    return [name for one in parser_of(command)._actions if one.help != hidden for name in one.option_strings]


def _kinds(command: Command) -> list[str]:
    actions = [action for action in parser_of(command)._actions if not action.option_strings]
    return [str(action.metavar or action.dest).upper() for action in actions]


_NAMES: dict[str, Callable[[Shell], Iterable[str]]] = {
    "CONTAINER": lambda shell: (row["name"] for row in shell.site.containers.list(host=shell.host)),
    "NAME": lambda shell: (row["name"] for row in shell.site.containers.list(host=shell.host)),
    "IMAGE": lambda shell: (tag for row in shell.site.images.list(host=shell.host) for tag in row["tags"]),
    "VOLUME": lambda shell: (row["name"] for row in shell.site.volumes.list(host=shell.host)),
    "NETWORK": lambda shell: (row["name"] for row in shell.site.networks.list(host=shell.host)),
    "JOB": lambda shell: (row["id"] for row in shell.site.jobs.list()),
    "BUILD": lambda shell: (row["id"] for row in shell.site.builds.list()),
    "CONTEXT": lambda shell: iter(shell.contexts.known),
    "TEAM": lambda shell: (row["name"] for row in shell.site.teams.list()),
    "TOKEN": lambda shell: (row["name"] for row in shell.site.tokens.list()),
}
COMMANDS = (
    Command(("completion",), "Print what lets a shell complete words", completion, add_completion),
    Command(("__complete",), "What a word may become", complete, add_complete),
)
