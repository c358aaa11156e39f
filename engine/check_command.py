"""`python -m engine build --check`: what is wrong in a Dockerfile, or likely wrong, without building anything.

It needs no rights, no home and no network: of base images it knows nothing, so variables of theirs are not missed.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from engine.build.language import DockerfileError, Findings, IgnoreRules, Known, lint, parse, violation
from engine.build.language.ignore import file_names
from engine.build.language.model import Warning
from engine.build.language.source import excerpt, render
from engine.errors import InvalidArgument, NotFound
from engine.oci.platform import Platform

STDIN = "-"


def check(options: argparse.Namespace) -> int:
    """Print errors and warnings with the lines they are about; 1 if there are any, as docker's --check has it.

    Raises `NotFound` if the Dockerfile isn't there.
    """
    directory = Path(options.directory)
    path = options.file or str(directory / "Dockerfile")
    data = sys.stdin.buffer.read() if path == STDIN else _read(path)
    name = "Dockerfile" if path == STDIN else path
    findings, error = _findings(data, name, path, directory, options)
    pieces = [_shown(warning) for warning in findings.warnings]
    if error is not None:
        pieces.append(f"error: {error.message}\n")
    pieces.append(_summary(name, len(findings.warnings), error is not None))
    sys.stdout.write("\n".join(pieces))
    return int(bool(findings.warnings) or error is not None)


def _findings(
    data: bytes, name: str, path: str, directory: Path, options: argparse.Namespace
) -> tuple[Findings, DockerfileError | None]:
    try:
        dockerfile = parse(data, name=name)
        target = (
            Platform.parse(options.platform[0].partition(",")[0])
            if options.platform
            else Platform.of_machine(os.uname().machine)
        )
        known = Known(
            build_args=_arguments(options.build_arg),
            target_platform=target,
            build_platform=Platform.of_machine(os.uname().machine),
            ignore=_ignore(path, directory),
        )
    except DockerfileError as error:
        return Findings(()), error
    findings = lint(dockerfile, known)
    return findings, findings.error or violation(dockerfile, findings)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise NotFound(f"{path} is not there: -f names another Dockerfile, and - is standard input") from None
    except OSError as error:
        raise InvalidArgument(f"{path} can't be read: {error.strerror}") from error


def _arguments(given: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE, or NAME for the value that the variable has here, if any."""
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if equals or name in os.environ:
            found[name] = value if equals else os.environ[name]
    return found


def _ignore(path: str, directory: Path) -> IgnoreRules | None:
    """Raises `DockerfileError` for a file that can't be read as rules."""
    beside, root = file_names(path)
    for file in (Path(beside), directory / root):
        if file.is_file() and path != STDIN:
            return IgnoreRules.parse(_read(str(file)), name=str(file))
    return None


def _shown(warning: Warning) -> str:
    head = f"{warning.location}: {warning.rule}: {warning.message}"
    return "\n".join([head, *render(list(excerpt(warning.location))), ""])


def _summary(name: str, warnings: int, has_error: bool) -> str:
    if not warnings and not has_error:
        return f"{name}: nothing to tell\n"
    words = ["1 warning" if warnings == 1 else f"{warnings} warnings"] if warnings else []
    return f"{name}: {' and '.join([*words, *(['an error'] if has_error else [])])}\n"
