"""What a command works with: the site that it is about, where it writes, and how its words are read."""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from client.cli import finding, output
from client.cli.contexts import Context, Contexts
from client.cli.progress import JobProgress
from client.cli.templates import Template
from client.errors import PortsideError
from client.resource import Json
from client.site import Portside, id_of_job

SILENT_SECONDS = (2.0, 20.0)
"""A job that hasn't begun after so long is looked at: its host may be away, which is known after a while only."""
USAGE = 2
"""The exit code for words that mean nothing here."""


class UsageError(Exception):
    """What was typed is no command; the message says what would be."""


class Parser(argparse.ArgumentParser):
    """argparse that takes no half words, says what is wrong in one line, and leaves exits to `main`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **{"add_help": False, **options}
        )

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}: see `{self.prog} --help`")


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `words`: as they are typed, ("volume", "ls"); `add` gives the parser its own options.

    `run` returns the exit code, None for 0. `failed`: the exit code where the site or the command refuses.
    """

    words: tuple[str, ...]
    help: str
    run: Callable[[Shell, argparse.Namespace], int | None]
    add: Callable[[argparse.ArgumentParser], None] = lambda _: None
    failed: int = 1
    usage: int = USAGE

    @property
    def name(self) -> str:
        return " ".join(self.words)


def parser_of(command: Command) -> Parser:
    """Its own options and those that all have."""
    parser = Parser(prog=f"portside {command.name}", description=command.help, conflict_handler="resolve")
    command.add(parser)
    general = parser.add_argument_group("everywhere")
    general.add_argument("--help", action="help", help="show this")
    add_general(general)
    return parser


def add_general(parser: Any) -> None:
    """What may be said of every command, before or after its name."""
    nothing = argparse.SUPPRESS
    parser.add_argument("--context", metavar="NAME", default=nothing, help="the site to ask, of `portside context ls`")
    parser.add_argument("--host", metavar="NAME", default=nothing, help="the host that is meant, by its name or id")
    parser.add_argument("--json", action="store_true", default=nothing, help="what the site says, as it says it")


class Shell:
    """`options` has `context`, `host` and `json`. The site is spoken to when a command first needs it."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.contexts = Contexts.usual()
        self._site: Portside | None = None
        self._chosen: tuple[str, Context] | None = None

    @property
    def chosen(self) -> tuple[str, Context]:
        """The context's name, and itself."""
        if self._chosen is None:
            self._chosen = self.contexts.chosen(getattr(self.options, "context", None))
        return self._chosen

    @property
    def site(self) -> Portside:
        """Raises Unauthenticated where nobody has signed in."""
        if self._site is None:
            context = self.chosen[1]
            self._site = Portside(context.url, context.token, ca=context.ca, verify=context.verify)
        return self._site

    @property
    def host(self) -> str | None:
        """The host that is meant: the one that was named, or the context's."""
        named: str | None = getattr(self.options, "host", None)
        return named if named is not None else self.chosen[1].host

    @property
    def wants_json(self) -> bool:
        return bool(getattr(self.options, "json", False))

    def say(self, text: object = "") -> None:
        """A line of what was asked for."""
        sys.stdout.write(f"{output.plain(text)}\n")

    def write(self, text: str) -> None:
        """Text as it is, made here."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """A line about what goes on, beside what was asked for."""
        sys.stdout.flush()
        sys.stderr.write(f"{output.plain(text)}\n")
        sys.stderr.flush()

    def dump(self, value: Any) -> None:
        """JSON, for people and programs alike."""
        self.write(json.dumps(value, indent=2, ensure_ascii=not sys.stdout.isatty(), default=str) + "\n")

    def show(
        self,
        rows: Iterable[Json],
        headers: Mapping[str, str],
        cells: Callable[[Json], Mapping[str, object]],
        *,
        quiet: str | None = None,
    ) -> None:
        """A list: `cells` are an object's texts by docker's names, `headers` those of a table's columns, in order.

        The options --format, --quiet (`quiet` names the cell that it leaves) and --json say how. Raises NotFound where
        nothing is found because there is no such host as --host says.
        """
        rows = list(rows)
        if not rows and self.host is not None:
            finding.host(self.site, self.host)
        wish = getattr(self.options, "format", None) or "table"
        if self.wants_json:
            self.dump(list(rows))
        elif quiet is not None and getattr(self.options, "quiet", False):
            for row in rows:
                self.say(cells(row)[quiet])
        elif wish == "json":
            for row in rows:
                self.write(json.dumps({name: str(text) for name, text in cells(row).items()}) + "\n")
        elif wish == "table":
            texts = [[cells(row)[name] for name in headers] for row in rows]
            self.write(output.table(list(headers.values()), texts, output.columns_of(sys.stdout)))
        else:
            self._templated(wish, rows, headers, cells)

    def _templated(
        self,
        wish: str,
        rows: Iterable[Json],
        headers: Mapping[str, str],
        cells: Callable[[Json], Mapping[str, object]],
    ) -> None:
        is_table = wish.startswith("table ")
        template = Template(wish.removeprefix("table "))
        texts = [template.render({**row, **cells(row)}) for row in rows]
        if not is_table:
            self.write("".join(text if text.endswith("\n") else f"{text}\n" for text in texts))
            return
        heads = [headers.get(name, name.upper()) for name in template.fields]
        split = [text.split("\t") for text in texts]
        most = max([len(heads), *(len(row) for row in split)])
        padded = [[*row, *([""] * (most - len(row)))] for row in (heads, *split)]
        self.write(output.table(padded[0], padded[1:], output.columns_of(sys.stdout)))

    def wait(self, work: Json | str, *, quiet: bool = False) -> Json:
        """Wait for a job, and show how far it is where that takes its time."""
        progress = JobProgress(sys.stderr)
        ended = threading.Event()
        threading.Thread(target=self._explain, args=[work, ended], daemon=True).start()
        try:
            return self.site.wait(work, progress=None if quiet else progress.take)
        finally:
            ended.set()
            progress.close()

    def _explain(self, work: Json | str, ended: threading.Event) -> None:
        """Say so where a job does not begin since its host is away."""
        with contextlib.suppress(PortsideError):
            for seconds in SILENT_SECONDS:
                if ended.wait(seconds):
                    return
                job = self.site.jobs.read(id_of_job(work))
                if job["status"] == "queued" and not (host := self.site.hosts.read(job["host"]["id"]))["online"]:
                    heard, cancel = output.ago(host["heartbeat_at"]), f"portside jobs cancel {job['id'][:8]}"
                    self.note(
                        f"the host {host['name']} was last heard {heard}: this waits until it is back, also after "
                        f"Ctrl-C; `{cancel}` takes it back"
                    )
                    return

    def each(self, names: Sequence[str], act: Callable[[str], object]) -> int:
        """Do it to each, tell each that it was done to; what can't be done is told, and the others go on."""
        code = 0
        for name in names:
            try:
                said = act(name)
            except PortsideError as error:
                self.problem(error)
                code = 1
            else:
                self.say(name if said is None else said)
        return code

    def problem(self, error: PortsideError) -> None:
        """One line; below it what belongs to it: lines of a Dockerfile, fields that are wrong."""
        sys.stdout.flush()
        first, *more = error.message.splitlines() or [""]
        sys.stderr.write(f"{output.coloured('portside:', '31')} {output.plain(first)}\n")
        sys.stderr.write("".join(f"  {output.plain(line)}\n" for line in more))
        for name, texts in error.fields.items():
            for text in texts:
                if name and text != error.message:
                    sys.stderr.write(f"  {output.plain(name)}: {output.plain(text)}\n")
        sys.stderr.flush()

    def confirmed(self, question: str, *, forced: bool) -> bool:
        """Whether a person says yes; without a terminal only by --force."""
        if forced:
            return True
        if not sys.stdin.isatty():
            raise UsageError("nobody can be asked here: say so by --force")
        sys.stderr.write(f"{output.plain(question)} [y/N] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip().lower() in ("y", "yes")
