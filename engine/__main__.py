"""`python -m engine`: the engine by hand, for looking inside and for demonstrations.

    PORTSIDE_HOME=/tmp/home python -m engine run --rm -p 8080:80 alpine echo hello

A thin porcelain: it parses words, calls one verb of `Engine` and prints. It needs root, and may be used beside a
running worker on the same home.
"""

from __future__ import annotations

import argparse
import json
import secrets
import select
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from engine import archive_session, attach_session, exec_session
from engine.config import EngineConfig
from engine.containers.record import ContainerRecord
from engine.containers.spec import ContainerSpec, PortMapping
from engine.errors import EngineError, InvalidArgument
from engine.facade import Engine
from engine.runtime.execs import ExecSpec

FOLLOW_SECONDS = 1.0
_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def say(text: str) -> None:
    sys.stdout.write(text + "\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code for the shell."""
    options = parser().parse_args(arguments)
    try:
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


def run(engine: Engine, options: argparse.Namespace) -> int:
    """In the foreground: the log as it comes, and the container's exit code as ours."""
    spec = specification(options)
    engine.container_create(spec, progress=show_progress)
    try:
        engine.container_start(spec.id)
        if options.detach:
            say(spec.id)
            return 0
        if options.interactive or options.tty:
            return attend(engine, options, spec.id, cursor=0)
        follow(engine, spec.id, 0)
        return engine.container_get(spec.id).exit_code or 0
    except KeyboardInterrupt:
        engine.container_stop(spec.id)
        return 130
    finally:
        if options.rm and not options.detach:
            engine.container_remove(spec.id, force=True)


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
        env=tuple(options.env),
        user=options.user,
        cwd=options.workdir,
        tty=options.tty,
        size=exec_session.size_of(1) if options.tty else None,
        privileged=options.privileged,
    )
    return exec_session.attend(engine, options.name, spec, interactive=options.interactive)


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
        engine.container_remove(name, force=options.force)


def inspect(engine: Engine, options: argparse.Namespace) -> None:
    say(json.dumps(engine.container_get(options.name).as_state(), indent=2))


def cp(engine: Engine, options: argparse.Namespace) -> None:
    archive_session.copy(engine, options.source, options.target, as_user=options.as_user)


def export(engine: Engine, options: argparse.Namespace) -> None:
    archive_session.export(engine, options.name)


def reconcile(engine: Engine, _: argparse.Namespace) -> None:
    for line in engine.reconcile():
        say(line)


# ---- words


def specification(options: argparse.Namespace) -> ContainerSpec:
    """The words of `run` as a spec. Raises `InvalidArgument`."""
    return ContainerSpec(
        id=secrets.token_hex(32),
        name=options.name or f"c-{secrets.token_hex(4)}",
        image=options.image,
        command=tuple(options.command),
        env=dict(entry.partition("=")[::2] for entry in options.env),
        ports=tuple(port_mapping(text) for text in options.publish),
        user=options.user,
        workdir=options.workdir,
        hostname=options.hostname,
        memory_bytes=None if options.memory is None else size(options.memory),
        cpus=options.cpus,
        tty=options.tty,
        stdin_open=options.interactive,
        stdin_once=options.interactive and not options.detach,
        **restart_policy(options.restart),
    )


def port_mapping(text: str) -> PortMapping:
    """`80`, `8080:80`, `0.0.0.0:8080:80/udp`."""
    rest, _, protocol = text.partition("/")
    words = rest.split(":")
    try:
        host = int(words[-2]) if len(words) > 1 and words[-2] else None
        address = words[0] if len(words) > 2 else "127.0.0.1"
        return PortMapping(container=int(words[-1]), host=host, protocol=protocol or "tcp", address=address)
    except ValueError:
        raise InvalidArgument(f"{text!r} is no port; write [[ADDRESS:]HOST:]CONTAINER[/PROTOCOL]") from None


def restart_policy(text: str) -> dict[str, Any]:
    """`always`, `on-failure:3`."""
    policy, sign, limit = text.partition(":")
    if sign and not limit.isdigit():
        raise InvalidArgument(f"{text!r} is no restart policy; write on-failure:LIMIT")
    return {"restart": policy, "restart_limit": int(limit) if sign else None}


def size(text: str) -> int:
    """`64m` → bytes."""
    number = text.lower().rstrip("bkmg")
    unit = text.lower()[len(number) :]
    if unit not in _UNITS or not number.isdigit():
        raise InvalidArgument(f"{text!r} is no size; write a number with b, k, m or g")
    return int(number) * _UNITS[unit]


# ---- what people see


def follow(engine: Engine, name: str, cursor: int) -> None:
    """Copy the log until the container neither runs nor waits for a restart."""
    with engine.container_logs(name).follow() as more, engine.journal.listen() as changes:
        while engine.container_get(name).status in ("running", "paused", "restarting"):
            cursor = copy_log(engine, name, cursor)
            select.select([more.fileno(), changes.socket.fileno()], [], [], FOLLOW_SECONDS)
            more.drain()
            changes.wait(0)
    copy_log(engine, name, cursor)


def copy_log(engine: Engine, name: str, cursor: int) -> int:
    """Copy everything from `cursor` on, each stream to its own; returns where it ends."""
    reader = engine.container_logs(name)
    while chunks := reader.read(cursor):
        for chunk in chunks:
            target = sys.stderr if chunk.stream == "stderr" else sys.stdout
            target.buffer.write(chunk.data)
            target.flush()
        cursor = chunks[-1].end
    return cursor


def show_progress(phase: str, layers: Iterable[Any]) -> None:
    done, total = sum(layer.done_bytes for layer in layers), sum(layer.total_bytes for layer in layers)
    sys.stderr.write(f"\r{phase}: {done / 1e6:.1f} of {total / 1e6:.1f} MB   " + ("\n" if phase == "done" else ""))


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

    def add(name: str, do: Callable[..., int | None], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(do=do)
        return command

    add("pull", pull, "fetch an image").add_argument("reference")
    add("starter", starter, "make an image from this machine's own files").add_argument(
        "reference", nargs="?", default="portside/starter:latest"
    )
    add("images", images, "list images")
    _removal(add("rmi", rmi, "remove an image"), "name")
    _run_options(add("run", run, "create and start a container"))
    _exec_options(add("exec", execute, "run a command in a running container"))
    attaching = add("attach", attach, "see and feed what a container runs")
    attaching.add_argument("--detach-keys", default=attach_session.DETACH_KEYS, metavar="KEYS")
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
    _removal(add("rm", rm, "remove containers"), "names", nargs="+")
    copying = add("cp", cp, "copy files out of a container as a tar, or into it")
    copying.add_argument("--as-user", action="store_true", help="what is copied in becomes the container's user's")
    copying.add_argument("source", metavar="NAME:PATH|-")
    copying.add_argument("target", metavar="-|NAME:PATH")
    add("export", export, "write a container's root file system as a tar").add_argument("name")
    add("inspect", inspect, "show a container's state as JSON").add_argument("name")
    add("reconcile", reconcile, "finish or undo what a crash left half done")
    return root


def _removal(command: argparse.ArgumentParser, name: str, **options: Any) -> None:
    command.add_argument("-f", "--force", action="store_true")
    command.add_argument(name, **options)


def _exec_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("-i", "--interactive", action="store_true", help="pass standard input on")
    command.add_argument("-t", "--tty", action="store_true", help="give it a terminal")
    command.add_argument("-e", "--env", action="append", default=[], metavar="NAME=VALUE")
    command.add_argument("-u", "--user")
    command.add_argument("-w", "--workdir")
    command.add_argument("--privileged", action="store_true", help="with every capability")
    command.add_argument("name")
    command.add_argument("command", nargs=argparse.REMAINDER)


def _run_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("-d", "--detach", action="store_true", help="print the id and return")
    command.add_argument("-i", "--interactive", action="store_true", help="pass standard input on")
    command.add_argument("-t", "--tty", action="store_true", help="give it a terminal")
    command.add_argument("--detach-keys", default=attach_session.DETACH_KEYS, metavar="KEYS")
    command.add_argument("--rm", action="store_true", help="remove it when it has ended")
    command.add_argument("--name")
    command.add_argument("-e", "--env", action="append", default=[], metavar="NAME=VALUE")
    command.add_argument("-p", "--publish", action="append", default=[], metavar="[[ADDRESS:]HOST:]PORT[/PROTOCOL]")
    command.add_argument("-u", "--user")
    command.add_argument("-w", "--workdir")
    command.add_argument("--hostname")
    command.add_argument("-m", "--memory", metavar="SIZE")
    command.add_argument("--cpus", type=float)
    command.add_argument("--restart", default="no", metavar="POLICY[:LIMIT]")
    command.add_argument("image")
    command.add_argument("command", nargs=argparse.REMAINDER)


if __name__ == "__main__":
    sys.exit(main())
