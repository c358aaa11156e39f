"""`python -m engine build` and `builder`: an image out of a Dockerfile, watched as it comes to be.

On a terminal, the steps at work are shown below those that have ended, and redrawn; elsewhere a line is written once.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from engine import build_words
from engine.build.entitlements import ENTITLEMENTS
from engine.build.events import CACHED, DONE, ENDED, FAILED, QUEUED, SKIPPED, STARTED, BuildEvent
from engine.build.git.request import Credential
from engine.build.language import git_source
from engine.build.spec import BuildLimits, BuildResult, BuildSpec
from engine.errors import InvalidArgument
from engine.facade import Engine
from engine.options.volume_options import size

if TYPE_CHECKING:
    from engine.build.context import Context

_TAIL_LINES = 4
_REDRAW_SECONDS = 0.1
_MARKS = {DONE: "✓", CACHED: "=", FAILED: "✗"}


def add(command: argparse.ArgumentParser) -> None:
    """The options of `build`, as docker's are called."""
    command.set_defaults(do=build)
    command.add_argument("-t", "--tag", action="append", default=[], metavar="NAME", help="the image's name, or names")
    command.add_argument("-f", "--file", metavar="PATH", help="the Dockerfile (DIR/Dockerfile); - for standard input")
    command.add_argument("--check", action="store_true", help="only say what is wrong, or likely wrong, in it")
    command.add_argument("--target", metavar="STAGE", help="the stage to build")
    command.add_argument("--build-arg", action="append", default=[], metavar="NAME[=VALUE]")
    command.add_argument("--label", action="append", default=[], metavar="NAME=VALUE")
    command.add_argument(
        "--platform", action="append", default=[], metavar="linux/amd64,…", help="several become one index"
    )
    build_words.add(command)
    command.add_argument("--no-cache", action="store_true", help="take no step from the cache")
    command.add_argument("--no-cache-filter", action="append", default=[], metavar="STAGE")
    command.add_argument("--pull", action="store_true", help="look for newer base images")
    command.add_argument("--network", choices=("default", "none", "host"), default="default")
    command.add_argument("--add-host", action="append", default=[], metavar="NAME:ADDRESS")
    command.add_argument("--allow", action="append", default=[], choices=ENTITLEMENTS, help="a right for the build")
    command.add_argument("--secret", action="append", default=[], metavar="id=ID[,src=PATH|,env=NAME]")
    command.add_argument(
        "--ssh", action="append", default=[], metavar="ID=PATH[,PATH]",
        help="private keys that RUN --mount=type=ssh signs with; they stay outside of the step",
    )  # fmt: skip
    command.add_argument("--build-context", action="append", default=[], metavar="NAME=DIR|docker-image://NAME")
    command.add_argument("-m", "--memory", metavar="BYTES", help="what each RUN may use")
    command.add_argument("--shm-size", metavar="BYTES")
    command.add_argument("--ulimit", action="append", default=[], metavar="NAME=SOFT[:HARD]")
    command.add_argument("--progress", choices=("auto", "plain", "tty", "quiet"), default="auto")
    command.add_argument("-q", "--quiet", action="store_true", help="only the image's id")
    command.add_argument("--iidfile", metavar="PATH", help="write the image's id there")
    command.add_argument(
        "directory",
        metavar="DIR",
        help="the build context; - for an archive on standard input; or a git repository, URL#REF:DIRECTORY",
    )


def add_builder(command: argparse.ArgumentParser) -> None:
    """`builder du` and `builder prune`."""
    verbs = command.add_subparsers(required=True, metavar="VERB")
    using = verbs.add_parser("du", help="what the build cache takes on the disk")
    using.set_defaults(do=usage)
    pruning = verbs.add_parser("prune", help="delete what the build cache holds")
    pruning.set_defaults(do=prune)
    pruning.add_argument("--keep-storage", metavar="BYTES", default="0", help="stop at this size")
    pruning.add_argument("--unused-for", metavar="HOURS", type=float, default=0.0, help="only what nobody used since")


def build(engine: Engine, options: argparse.Namespace) -> int:
    """Build; 0, or what a failing RUN ended with."""
    spec = _spec(options)
    contexts, images = _named(options.build_context)
    spec = build_words.completed(_with_images(spec, images), options)
    quiet = options.quiet or options.progress == "quiet"
    is_live = options.progress == "tty" or (options.progress == "auto" and sys.stderr.isatty())
    shown = None if quiet else (_Live(sys.stderr) if is_live else _Plain(sys.stderr))
    cancel = threading.Event()
    from engine.build.context import Context  # it loads much, which other commands do without

    opened = {name: Context.from_directory(path) for name, path in contexts.items()}
    try:
        with _context(engine, options, spec, cancel) as context:
            result = engine.builder.build(
                spec, context, contexts=opened, progress=None if shown is None else shown.take, cancel=cancel
            )
    except KeyboardInterrupt:
        cancel.set()
        raise
    finally:
        if shown is not None:
            shown.close()
        for one in opened.values():
            one.close()
    if options.iidfile:
        Path(options.iidfile).write_text(result.image_id, encoding="ascii")
    _tell(result, quiet=quiet, out=sys.stderr if build_words.writes_to_standard_output(spec.outputs) else sys.stdout)
    return 0


def _tell(result: BuildResult, *, quiet: bool, out: IO[str]) -> None:
    if quiet:
        out.write(f"{result.image_id}\n")
        return
    for warning in result.warnings:
        where = f"line {warning.line}: " if warning.line else ""
        sys.stderr.write(f"warning: {where}{warning.rule}: {warning.message}\n")
    names = ", ".join(result.tags) or "no name"
    sys.stderr.write(f"{result.steps} steps, {result.cached} from the cache, {result.seconds:.2f} s; {names}\n")
    out.write(f"{result.image_id}\n")


@contextlib.contextmanager
def _context(
    engine: Engine, options: argparse.Namespace, spec: BuildSpec, cancel: threading.Event
) -> Iterator[Context]:
    from engine.build.context import Context

    if options.directory == "-":
        with engine.builder.receive(sys.stdin.buffer, cancel) as context:
            yield context
    elif _is_repository(options.directory):
        keeps = git_source.keeps_git_dir(spec.build_args)
        with engine.builder.repository(
            options.directory, credentials=spec.git, keeps=keeps, log=_log, cancel=cancel
        ) as (context, commit):
            sys.stderr.write(f"commit {commit.digits} {commit.ref}\n")
            yield context
    else:
        with Context.from_directory(options.directory) as context:
            yield context


def _log(text: bytes) -> None:
    sys.stderr.write(text.decode(errors="replace").replace("\r", "\n"))


def _is_repository(text: str) -> bool:
    return not os.path.isdir(text) and git_source.read(text, is_context=True) is not None


def _credentials(secrets: Mapping[str, bytes], directory: str) -> dict[str, Credential]:
    """GIT_AUTH_TOKEN.HOST among the secrets, for that server; GIT_AUTH_TOKEN for the context's own."""
    found = {}
    for name, value in secrets.items():
        if name == "GIT_AUTH_TOKEN" and _is_repository(directory):
            source = git_source.read(directory, is_context=True)
            host = urllib.parse.urlsplit("" if source is None else source.remote).netloc.rpartition("@")[2]
        elif name.startswith("GIT_AUTH_TOKEN."):
            host = name.removeprefix("GIT_AUTH_TOKEN.")
        else:
            continue
        found[host] = Credential(username="x-access-token", password=value.decode(errors="replace").strip())
    return found


def _spec(options: argparse.Namespace) -> BuildSpec:
    dockerfile, text = "Dockerfile", None
    if options.file == "-":
        text = sys.stdin.read()
    elif options.file is not None:
        dockerfile, text = _dockerfile(options.file, options.directory)
    memory = None if options.memory is None else size(options.memory)
    shm = None if options.shm_size is None else size(options.shm_size)
    secrets = dict(_secret(text) for text in options.secret)
    return BuildSpec(
        dockerfile=dockerfile,
        dockerfile_text=text,
        target=options.target,
        tags=tuple(options.tag),
        build_args=_pairs(options.build_arg, os.environ),
        labels=_pairs(options.label, {}),
        no_cache=options.no_cache,
        no_cache_stages=tuple(options.no_cache_filter),
        pull=options.pull,
        network=options.network,
        add_hosts=tuple(options.add_host),
        secrets=secrets,
        ssh=dict(_ssh(text) for text in options.ssh),
        git=_credentials(secrets, options.directory),
        limits=BuildLimits(memory_bytes=memory, shm_bytes=shm, ulimits=tuple(options.ulimit)),
        entitlements=frozenset(options.allow),
    )


def _dockerfile(path: str, directory: str) -> tuple[str, str | None]:
    """Its path in the context, or its text where it lies outside."""
    if _is_repository(directory):
        return path, None
    if directory != "-":
        inside = os.path.relpath(os.path.realpath(path), os.path.realpath(directory))
        if not inside.startswith("../"):
            return inside, None
    return path, Path(path).read_text(encoding="utf-8", errors="surrogateescape")


def _pairs(texts: list[str], environment: Mapping[str, str]) -> dict[str, str]:
    found = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if equals:
            found[name] = value
        elif name in environment:
            found[name] = environment[name]
    return found


def _secret(text: str) -> tuple[str, bytes]:
    fields = dict(part.partition("=")[::2] for part in text.split(","))
    name = fields.get("id", "")
    if not name:
        raise InvalidArgument(f"--secret {text[:60]!r} has no id: write id=NAME,src=PATH or id=NAME,env=NAME")
    source = fields.get("src") or fields.get("source")
    if source:
        try:
            return name, Path(source).read_bytes()
        except OSError as error:
            raise InvalidArgument(f"--secret: {source} can't be read: {error.strerror}") from error
    return name, os.environ.get(fields.get("env") or name, "").encode(errors="surrogateescape")


def _ssh(text: str) -> tuple[str, str]:
    name, _, paths = text.partition("=")
    if not paths:
        raise InvalidArgument(
            f"--ssh {text[:60]!r} names no key, and a build can't ask the agent of who begins it: "
            f"write --ssh {name[:60] or 'default'}=PATH"
        )
    try:
        return name, "\n".join(Path(path).read_text(encoding="ascii") for path in paths.split(","))
    except OSError as error:
        raise InvalidArgument(f"--ssh {name[:60]}: {error.filename} can't be read: {error.strerror}") from error
    except ValueError as error:
        raise InvalidArgument(f"--ssh {name[:60]}: {paths[:200]} is no private key") from error


def _named(texts: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """(directories, images) by the names of their contexts."""
    directories: dict[str, str] = {}
    images: dict[str, str] = {}
    for text in texts:
        name, _, value = text.partition("=")
        (images if value.startswith("docker-image://") else directories)[name] = value
    return directories, images


def _with_images(spec: BuildSpec, images: Mapping[str, str]) -> BuildSpec:
    return replace(spec, named_contexts=images) if images else spec


def usage(engine: Engine, options: argparse.Namespace) -> None:
    """`builder du`."""
    found = engine.builder.disk_usage()
    for step in found.steps:
        sys.stdout.write(f"{step.size_bytes:>12}  {step.uses:>5} uses  {step.description[:100]}\n")
    for mount in found.mounts:
        sys.stdout.write(f"{mount.size_bytes:>12}  cache mount  {mount.id}\n")
    sys.stdout.write(f"{found.bytes} bytes in all that no image has\n")
    del options


def _bytes(text: str) -> int:
    return 0 if text == "0" else size(text)


def prune(engine: Engine, options: argparse.Namespace) -> None:
    """`builder prune`."""
    from engine.build.pruning import PruneRules

    rules = PruneRules(unused_seconds=options.unused_for * 3600, keep_bytes=_bytes(options.keep_storage))
    done = engine.builder.prune(rules)
    sys.stdout.write(f"deleted {done.steps} steps and {done.mounts} cache mounts, {done.reclaimed_bytes} bytes\n")


class _Plain:
    """A line for each change, and each line that a step prints, behind its number."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out

    def take(self, event: BuildEvent) -> None:
        number = event.vertex.id
        if event.log:
            for line in event.log.decode(errors="replace").splitlines():
                self._out.write(f"#{number} {line}\n")
        elif event.state == STARTED and event.done_bytes is None:
            self._out.write(f"#{number} {event.vertex.name}\n")
        elif event.state in ENDED and event.state != SKIPPED:
            what = f"#{number} CACHED {event.vertex.name}" if event.state == CACHED else f"#{number} {event.state}"
            took = "" if event.seconds is None or event.state == CACHED else f" {event.seconds:.2f} s"
            self._out.write(f"{what}{took}\n")
        self._out.flush()

    def close(self) -> None:
        self._out.flush()


class _Live:
    """Steps that are at work, with the last lines of what they print, below those that have ended."""

    def __init__(self, out: IO[str]) -> None:
        self._out = out
        self._at_work: dict[str, BuildEvent] = {}
        self._lines: dict[str, list[str]] = {}
        self._drawn = 0
        self._at = 0.0

    def take(self, event: BuildEvent) -> None:
        number = event.vertex.id
        if event.log:
            lines = event.log.decode(errors="replace").splitlines()
            self._lines[number] = [*self._lines.get(number, ()), *lines][-_TAIL_LINES:]
        elif event.state in ENDED:
            self._at_work.pop(number, None)
            self._erase()
            if event.state != SKIPPED:
                took = "" if event.seconds is None else f" {event.seconds:.1f}s"
                self._out.write(f" {_MARKS.get(event.state, '·')} {self._cut(event.vertex.name, 12)}{took}\n")
        elif event.state != QUEUED:
            self._at_work[number] = event
        if time.monotonic() - self._at >= _REDRAW_SECONDS or event.state in ENDED:
            self._draw()

    def _draw(self) -> None:
        self._erase()
        for number, event in self._at_work.items():
            seconds = max(0.0, time.time() - (event.started_at or time.time()))
            share = f" {event.done_bytes / 1e6:.1f} MB" if event.done_bytes else ""
            self._line(f" → {self._cut(event.vertex.name, 20)} {seconds:.1f}s{share}")
            for line in self._lines.get(number, ()):
                self._line(self._cut(f"     {line}", 2))
        self._at = time.monotonic()
        self._out.flush()

    def _line(self, text: str) -> None:
        self._out.write(text + "\n")
        self._drawn += 1

    def _erase(self) -> None:
        if self._drawn:
            self._out.write(f"\x1b[{self._drawn}A\x1b[J")
            self._drawn = 0

    def _cut(self, text: str, less: int) -> str:
        """What fits into a line; nothing in it moves the cursor."""
        room = max(20, shutil.get_terminal_size().columns - less)
        return "".join(letter if letter.isprintable() else " " for letter in text)[:room]

    def close(self) -> None:
        self._erase()
        self._out.flush()
