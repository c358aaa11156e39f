"""cp, commit, export: a container's files."""

from __future__ import annotations

import argparse
import base64
import json
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, cast

from client.cli import finding
from client.cli.shell import Command, Shell, UsageError
from client.errors import InvalidArgument, NotFound
from client.packing import tar_of, tree
from client.resource import Json
from client.transport import located
from client.unpacking import unpack

_CHUNK_BYTES = 1 << 20
_STAT = "X-Docker-Container-Path-Stat"
_IS_DIRECTORY = 1 << 31
"""Of Go's file modes, which the header has."""


def add_cp(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-a", "--archive", action="store_true", help="keep owners by their numbers")
    parser.add_argument("-q", "--quiet", action="store_true", help="tell nothing")
    parser.add_argument("source", metavar="SOURCE", help="a path here, CONTAINER:PATH, or - for a tar")
    parser.add_argument("target", metavar="TARGET", help="CONTAINER:PATH, a path here, or - for a tar")


def cp(shell: Shell, options: argparse.Namespace) -> None:
    """As docker's: into a directory that is there, else under the target's own name; DIR/. copies what is in it."""
    source, target = _place(options.source), _place(options.target)
    if (source is None) == (target is None):
        raise UsageError("one of the two is CONTAINER:PATH, the other a path here or -")
    if source is not None:
        _out(shell, source, options.target, quiet=options.quiet)
    elif target is not None:
        _in(shell, options.source, target, options)


def _place(text: str) -> tuple[str, str] | None:
    """(container, path); None for a path here."""
    name, colon, path = text.partition(":")
    if not colon or not name or "/" in name or name == ".":
        return None
    return name, path or "/"


def _out(shell: Shell, source: tuple[str, str], target: str, *, quiet: bool) -> None:
    container = finding.container(shell.site, source[0], shell.host)
    with shell.site.containers.archive_get(container["id"], path=source[1]) as answer:
        if target == "-":
            write_all(answer)
            return
        path, is_content = Path(target), source[1].endswith("/.")
        if path.is_dir():
            count = unpack(answer, path, "" if is_content else None)
        elif target.endswith("/") and not is_content:
            raise NotFound(f"{target} is no directory here: make it first, or leave the slash out")
        elif not path.parent.is_dir():
            raise NotFound(f"{path.parent} is no directory here: make it first")
        else:
            count = unpack(answer, path.parent, path.name)
    if not quiet:
        shell.note(f"copied {count} {'entry' if count == 1 else 'entries'} to {target}")


def _in(shell: Shell, source: str, target: tuple[str, str], options: argparse.Namespace) -> None:
    container_id = finding.container(shell.site, target[0], shell.host)["id"]
    if source == "-":
        _put(shell, container_id, target[1], read_all(), options)
        return
    path, goal = Path(source), PurePosixPath(target[1])
    if not path.exists() and not path.is_symlink():
        raise NotFound(f"{source} is not here")
    found = _stat(shell, container_id, target[1])
    is_directory = found is not None and bool(found.get("mode", 0) & _IS_DIRECTORY)
    if found is None and target[1].endswith("/") and not path.is_dir():
        raise NotFound(f"{target[1]} is no directory in the container: make it first, or leave the slash out")
    if source.endswith("/."):
        if not is_directory:
            raise NotFound(f"{target[1]} is no directory in the container: make it first")
        name, parent = ".", str(goal)
    elif is_directory:
        name, parent = path.resolve().name if source in (".", "..") else path.name, str(goal)
    else:
        name, parent = goal.name, str(goal.parent)
    entries = tree(path, name) if name != "." else _below(path)
    _put(shell, container_id, parent, tar_of(entries, keep_owners=options.archive), options)


def _below(path: Path) -> Iterator[tuple[str, Path, os.stat_result]]:
    for name in sorted(os.listdir(path)):
        yield from tree(path / name, name)


def _put(shell: Shell, container_id: str, path: str, data: Iterable[bytes], options: argparse.Namespace) -> None:
    taken = shell.site.containers.archive_put(container_id, data, path=path, copy_uidgid=options.archive or None)
    if not options.quiet:
        count = taken["entries"]
        shell.note(f"copied {count} {'entry' if count == 1 else 'entries'} to {path}")


def _stat(shell: Shell, container_id: str, path: str) -> Json | None:
    """What is at a path of a container; None if nothing is."""
    try:
        with shell.site.transport.send(
            "HEAD", located("/api/v1/containers/{}/archive/", container_id), query={"path": path}
        ) as answer:
            found: Json = json.loads(base64.b64decode(answer.headers.get(_STAT, "") or "e30="))
            return found
    except NotFound:
        return None


def write_all(parts: Iterable[bytes], path: str | None = None) -> None:
    """To standard output, or to a file that is there only when all of it is."""
    if path is None:
        if sys.stdout.isatty():
            raise InvalidArgument("an archive is nothing to read on a terminal: give a file by -o, or a pipe")
        for part in parts:
            sys.stdout.buffer.write(part)
        sys.stdout.flush()
        return
    target = Path(path)
    partial = target.with_name(f".{target.name}.part")
    try:
        with open(partial, "wb") as file:
            for part in parts:
                file.write(part)
        partial.replace(target)
    except OSError as error:
        raise InvalidArgument(f"{path} can't be written: {error.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)


def read_all(path: str | None = None) -> Iterator[bytes]:
    """From standard input, or from a file."""
    if path is None and sys.stdin.isatty():
        raise InvalidArgument("an archive is nothing to type: give a file, or a pipe")
    try:
        with open(path, "rb") if path is not None else os.fdopen(os.dup(0), "rb") as file:
            while data := file.read(_CHUNK_BYTES):
                yield data
    except OSError as error:
        raise InvalidArgument(f"{path or 'standard input'} can't be read: {error.strerror}") from None


def add_commit(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-a", "--author", default="")
    parser.add_argument("-m", "--message", default="")
    parser.add_argument("-c", "--change", action="append", default=[], metavar="INSTRUCTION", help='as CMD ["sh"]')
    parser.add_argument("--no-pause", action="store_true", help="let it run meanwhile")
    parser.add_argument("name", metavar="CONTAINER")
    parser.add_argument("reference", metavar="IMAGE", help="what the image shall be called")


def commit(shell: Shell, options: argparse.Namespace) -> None:
    found = finding.container(shell.site, options.name, shell.host)
    body = {
        "reference": options.reference,
        "author": options.author,
        "comment": options.message,
        "changes": options.change,
        "pause": not options.no_pause,
    }
    wanted = {name: value for name, value in body.items() if value not in ("", [])}
    job = shell.wait(shell.site.containers.commit(found["id"], **cast(Any, wanted)))
    shell.say(job["result"].get("image_id", options.reference))


def add_export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", metavar="FILE", help="instead of standard output")
    parser.add_argument("name", metavar="CONTAINER")


def export(shell: Shell, options: argparse.Namespace) -> None:
    found = finding.container(shell.site, options.name, shell.host)
    with shell.site.containers.export(found["id"]) as answer:
        write_all(answer, options.output)


COMMANDS = (
    Command(("cp",), "Copy files between here and a container", cp, add_cp),
    Command(("commit",), "Make an image of a container", commit, add_commit),
    Command(("export",), "Write a container's files as a tar", export, add_export),
)
