"""From words to a command, and from whatever happens to a line and an exit code: never to a traceback."""

from __future__ import annotations

import argparse
import contextlib
import difflib
import os
import signal
import sys
from collections.abc import Sequence

from client.cli import catalog, output
from client.cli.shell import USAGE, Command, Parser, Shell, UsageError, add_general, parser_of
from client.errors import InvalidArgument, PortsideError, Unauthenticated
from engine.errors import EngineError

INTERRUPTED = 128 + signal.SIGINT
_INTRODUCTION = """portside: containers, images, builds, volumes and networks of a site of Portside.

Begin with `portside login https://YOUR-SITE`. Then most of it is as with docker: run, ps, logs -f, exec -it, build.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code for the shell."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    command: Command | None = None
    try:
        options, rest = _general(words)
        if not rest or rest[0] in ("help", "--help", "-h"):
            code = _help(rest[1:])
            sys.stdout.flush()
            return code
        command, left = chosen(rest)
        options = parser_of(command).parse_args(left, options)
        code = command.run(Shell(options), options) or 0
        sys.stdout.flush()
    except SystemExit as end:  # --help
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
            return int(end.code or 0)
        return _quiet()
    except UsageError as error:
        _complain(str(error))
        return USAGE if command is None else command.usage
    except (PortsideError, EngineError) as error:
        return _refused(error, command)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return _quiet()
    except OSError as error:
        _complain(f"{error.filename or 'this machine'}: {error.strerror or error}")
        return 1
    except Exception as error:
        if os.environ.get("PORTSIDE_TRACEBACK"):
            raise
        name = type(error).__name__
        _complain(f"something here is broken ({name}): PORTSIDE_TRACEBACK=1 shows where; please report it")
        return 1
    return code


def chosen(words: Sequence[str]) -> tuple[Command, list[str]]:
    """(command, what follows its name). Raises UsageError with what may have been meant."""
    found = catalog.commands_of(words[0])
    if not found:
        near = difflib.get_close_matches(words[0], catalog.first_words(), 1)
        hint = f": did you mean `portside {near[0]}`?" if near else ": see `portside --help`"
        raise UsageError(f"there is no command {words[0]!r}{hint}")
    for length in (2, 1):
        for command in found:
            if len(command.words) == length and tuple(words[:length]) == command.words:
                return command, list(words[length:])
    verbs = ", ".join(command.words[1] for command in found if len(command.words) > 1)
    if len(words) > 1 and words[1] in ("--help", "-h"):
        for command in found:
            sys.stdout.write(f"  {command.name:28} {command.help}\n")
        raise SystemExit(0)
    raise UsageError(f"`portside {words[0]}` needs one of: {verbs}")


def _general(words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """What is said before the command's name, and the rest."""
    end = 0
    while end < len(words) and words[end].startswith("--") and words[end] != "--help":
        if words[end] == "--version":
            return argparse.Namespace(), ["version", *words[end + 1 :]]
        end += 1 if "=" in words[end] or words[end] == "--json" else 2
    parser = Parser(prog="portside")
    add_general(parser)
    return parser.parse_args(words[:end]), words[end:]


def _help(words: Sequence[str]) -> int:
    if words:
        parser_of(chosen(words)[0]).print_help()
        return 0
    sys.stdout.write(f"{_INTRODUCTION}\n")
    for command in catalog.all_commands():
        sys.stdout.write(f"  {command.name:24} {command.help}\n")
    sys.stdout.write("\nEverywhere: --context NAME, --host NAME, --json. `portside COMMAND --help` says more.\n")
    return 0


def _refused(error: PortsideError | EngineError, command: Command | None) -> int:
    if isinstance(error, EngineError):
        error = InvalidArgument(error.message)
    if isinstance(error, Unauthenticated) and error.status is not None:
        error.message += " (`portside login` signs in again)"
    for name, texts in error.fields.items():
        if not name and texts:
            error.message = " ".join(texts)
    Shell.problem(Shell.__new__(Shell), error)
    return 1 if command is None else _code(error, command)


def _code(error: PortsideError, command: Command) -> int:
    """docker's: 127 for a program that is not there, 126 for one that can't be executed, 125 for all else of run."""
    if command.failed != 1:
        text = error.message
        if "executable file not found" in text or ("exec" in text and "no such file or directory" in text):
            return 127
        if "exec" in text and "permission denied" in text.lower():
            return 126
    return command.failed


def _complain(text: str) -> None:
    with contextlib.suppress(OSError):
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        sys.stderr.write(f"{output.coloured('portside:', '31')} {output.plain(text)}\n")


def _quiet() -> int:
    """Nobody reads any more: what is left is for nobody, the interpreter's last flush included."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 128 + signal.SIGPIPE
