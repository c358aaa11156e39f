"""`python -m engine`: the engine by hand, for looking inside and for demonstrations.

    PORTSIDE_HOME=/tmp/home python -m engine run --rm -p 8080:80 alpine echo hello

A thin porcelain: it parses words, calls one verb of `Engine` and prints. It needs root, and may be used beside a
running worker on the same home.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from engine import (
    archive_session,
    attach_session,
    build_command,
    check_command,
    exec_session,
    network_command,
    run_options,
    volume_command,
)
from engine.config import EngineConfig
from engine.containers.record import ContainerRecord
from engine.errors import EngineError
from engine.facade import Engine
from engine.options.detach_keys import DETACH_KEYS
from engine.run_command import copy_log, follow, run, show_progress
from engine.runtime.execs import ExecSpec


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code for the shell."""
    try:
        options = parser().parse_args(arguments)
        if getattr(options, "check", False):
            return check_command.check(options)
        engine = Engine(EngineConfig.from_environment())
        command: Callable[[Engine, argparse.Namespace], int | None] = options.do
        return command(engine, options) or 0
    except EngineError as error:
        sys.stderr.write(f"{error.message}\n")
        code = error.detail.get("exit_code")
        return code if isinstance(code, int) else 125
    except KeyboardInterrupt:
        return 130


# ---- commands


def pull(engine: Engine, options: argparse.Namespace) -> None:
    image = engine.images.pull(options.reference, progress=show_progress)
    say(image.id)


def starter(engine: Engine, options: argparse.Namespace) -> None:
    say(engine.images.create_starter(options.reference, progress=show_progress).id)


def images(engine: Engine, _: argparse.Namespace) -> None:
    rows = [(", ".join(i.tags) or "<none>", i.id[7:19], f"{i.size_bytes / 1e6:.1f} MB") for i in engine.images.list()]
    table(("TAGS", "ID", "SIZE"), rows)


def rmi(engine: Engine, options: argparse.Namespace) -> None:
    untagged, deleted = engine.image_remove(options.name, force=options.force)
    for verb, names in (("untagged", untagged), ("deleted", deleted)):
        for name in names:
            say(f"{verb} {name}")


def attach(engine: Engine, options: argparse.Namespace) -> int:
    """Its exit code is ours, unless we leave before."""
    options.interactive = not options.no_stdin
    return attend(engine, options, options.name)


def attend(engine: Engine, options: argparse.Namespace, name: str, cursor: int | None = None) -> int:
    keys = options.detach_keys
    code = attach_session.attend(engine, name, interactive=options.interactive, keys=keys, cursor=cursor)
    options.detach = code is None
    return code or 0


def execute(engine: Engine, options: argparse.Namespace) -> int:
    """One more process in a container; its exit code is ours."""
    spec = ExecSpec(
        args=tuple(options.command),
        env=tuple(f"{name}={value}" for name, value in run_options.variables_of(options).items()),
        user=options.user,
        cwd=options.workdir,
        tty=options.tty,
        size=exec_session.size_of(1) if options.tty else None,
        privileged=options.privileged,
    )
    if options.detach:
        engine.container_exec(options.name, dataclasses.replace(spec, tty=False, size=None))
        return 0
    keys = options.detach_keys
    return exec_session.attend(engine, options.name, spec, interactive=options.interactive, keys=keys) or 0


def update(engine: Engine, options: argparse.Namespace) -> None:
    for name in options.names:
        engine.container_update(name, run_options.changes(options))
        say(name)


def ps(engine: Engine, _: argparse.Namespace) -> None:
    table(
        ("NAME", "ID", "IMAGE", "STATUS", "ADDRESS", "PORTS"),
        [(r.name, r.id[:12], r.spec.image, status(r), r.ip_address or "", ports(r)) for r in engine.container_list()],
    )


def logs(engine: Engine, options: argparse.Namespace) -> None:
    reader = engine.container_logs(options.name)
    cursor = 0 if options.tail is None else reader.cursor_at_tail(options.tail)
    if options.follow:
        follow(engine, options.name, cursor)
    else:
        copy_log(engine, options.name, cursor)


def start(engine: Engine, options: argparse.Namespace) -> None:
    for name in options.names:
        engine.container_start(name)


def stop(engine: Engine, options: argparse.Namespace) -> None:
    for name in options.names:
        engine.container_stop(name, options.time)


def kill(engine: Engine, options: argparse.Namespace) -> None:
    for name in options.names:
        engine.container_kill(name, options.signal)


def rm(engine: Engine, options: argparse.Namespace) -> None:
    for name in options.names:
        engine.container_remove(name, force=options.force, volumes=options.volumes)


def inspect(engine: Engine, options: argparse.Namespace) -> None:
    say(json.dumps(engine.container_get(options.name).as_state(), indent=2))


def cp(engine: Engine, options: argparse.Namespace) -> None:
    archive_session.copy(engine, options.source, options.target, as_user=options.as_user)


def export(engine: Engine, options: argparse.Namespace) -> None:
    archive_session.export(engine, options.name)


def commit(engine: Engine, options: argparse.Namespace) -> None:
    how = {"author": options.author, "comment": options.message, "pause": not options.no_pause}
    say(archive_session.commit(engine, options.name, options.reference, changes=tuple(options.change), **how))


def reconcile(engine: Engine, _: argparse.Namespace) -> None:
    for line in engine.reconcile():
        say(line)


# ---- what people see


def status(record: ContainerRecord) -> str:
    if record.status == "stopped":
        return f"stopped ({record.exit_code}{', out of memory' if record.oom_killed else ''})"
    if record.started_at is not None and record.finished_at is None:
        return f"{record.status} {time.time() - record.started_at:.0f} s"
    return record.status


def ports(record: ContainerRecord) -> str:
    return ", ".join(f"{port.address}:{port.host}→{port.container}/{port.protocol}" for port in record.ports)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    for row in (head, *rows):
        say("  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip())


# ---- the grammar


def parser() -> argparse.ArgumentParser:
    root = argparse.ArgumentParser(prog="python -m engine", description="Portside's engine by hand.")
    commands = root.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, do: Callable[..., int | None], text: str, **more: Any) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text, **more)
        command.set_defaults(do=do)
        return command

    add("pull", pull, "fetch an image").add_argument("reference")
    add("starter", starter, "make an image from this machine's own files").add_argument(
        "reference", nargs="?", default="portside/starter:latest"
    )
    build_command.add(add("build", build_command.build, "make an image out of a Dockerfile"))
    build_command.add_builder(_group(commands, "builder", "the cache of builds"))
    add("images", images, "list images")
    _removal(add("rmi", rmi, "remove an image"), "name")
    run_options.add(add("run", run, "create and start a container", conflict_handler="resolve"))
    run_options.add_exec(add("exec", execute, "run a command in a running container"))
    run_options.add_update(add("update", update, "change limits and restart policy of containers"))
    attaching = add("attach", attach, "see and feed what a container runs")
    attaching.add_argument("--detach-keys", default=DETACH_KEYS, metavar="KEYS")
    attaching.add_argument("--no-stdin", action="store_true", help="only see")
    attaching.add_argument("name")
    add("ps", ps, "list containers")
    log = add("logs", logs, "show a container's log")
    log.add_argument("-f", "--follow", action="store_true")
    log.add_argument("--tail", type=int, help="only the last lines")
    log.add_argument("name")
    add("start", start, "start containers").add_argument("names", nargs="+")
    stopping = add("stop", stop, "stop containers")
    stopping.add_argument("-t", "--time", type=float, help="seconds before SIGKILL (10)")
    stopping.add_argument("names", nargs="+")
    killing = add("kill", kill, "send containers a signal")
    killing.add_argument("-s", "--signal", default="SIGKILL")
    killing.add_argument("names", nargs="+")
    removing = add("rm", rm, "remove containers")
    removing.add_argument("-v", "--volumes", action="store_true", help="with their volumes that have no name")
    _removal(removing, "names", nargs="+")
    copying = add("cp", cp, "copy files out of a container as a tar, or into it")
    copying.add_argument("--as-user", action="store_true", help="what is copied in becomes the container's user's")
    copying.add_argument("source", metavar="NAME:PATH|-")
    copying.add_argument("target", metavar="-|NAME:PATH")
    add("export", export, "write a container's root file system as a tar").add_argument("name")
    committing = add("commit", commit, "make an image of a container")
    committing.add_argument("-a", "--author", default="")
    committing.add_argument("-m", "--message", default="")
    committing.add_argument(
        "-c", "--change", action="append", default=[], metavar="INSTRUCTION", help="of a Dockerfile"
    )
    committing.add_argument("--no-pause", action="store_true", help="let it run while its files are read")
    committing.add_argument("name")
    committing.add_argument("reference", nargs="?", help="the image's name")
    add("inspect", inspect, "show a container's state as JSON").add_argument("name")
    volume_command.add(commands.add_parser("volume", help="make, list and remove volumes"))
    network_command.add(_group(commands, "network", "networks of a name"))
    add("reconcile", reconcile, "finish or undo what a crash left half done")
    return root


def _group(commands: Any, name: str, text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=text)
    return command


def _removal(command: argparse.ArgumentParser, name: str, **options: Any) -> None:
    command.add_argument("-f", "--force", action="store_true")
    command.add_argument(name, **options)


if __name__ == "__main__":
    sys.exit(main())
