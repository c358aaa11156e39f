"""stop, restart, kill, pause, unpause, rm, rename, update, wait: what is done to containers."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any, cast

from client.cli import finding
from client.cli.shell import Command, Shell, UsageError
from client.errors import PortsideError
from client.resource import Json
from engine import run_options


def _names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="CONTAINER")


def _grace(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-t", "--time", "--timeout", type=float, metavar="SECONDS", help="grace before it is killed")
    _names(parser)


def _to_each(shell: Shell, options: argparse.Namespace, act: Callable[[str], Json]) -> int:
    """`act` takes an id and answers with a job. All are begun before any is waited for."""
    begun: dict[str, Json | PortsideError] = {}
    for name in options.names:
        try:
            begun[name] = act(finding.container(shell.site, name, shell.host)["id"])
        except PortsideError as error:
            begun[name] = error

    def end(name: str) -> None:
        work = begun[name]
        if isinstance(work, PortsideError):
            raise work
        shell.wait(work)

    return shell.each(list(begun), end)


def add_stop(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-s", "--signal", metavar="SIGNAL", help="the first one that is sent")
    _grace(parser)


def stop(shell: Shell, options: argparse.Namespace) -> int:
    body = {"timeout_seconds": options.time, "signal": options.signal}
    return _to_each(shell, options, lambda found: shell.site.containers.stop(found, **cast(Any, body)))


def restart(shell: Shell, options: argparse.Namespace) -> int:
    return _to_each(shell, options, lambda found: shell.site.containers.restart(found, timeout_seconds=options.time))


def add_kill(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-s", "--signal", default="SIGKILL", metavar="SIGNAL", help="instead of SIGKILL")
    _names(parser)


def kill(shell: Shell, options: argparse.Namespace) -> int:
    return _to_each(shell, options, lambda found: shell.site.containers.kill(found, signal=options.signal))


def pause(shell: Shell, options: argparse.Namespace) -> int:
    return _to_each(shell, options, shell.site.containers.pause)


def unpause(shell: Shell, options: argparse.Namespace) -> int:
    return _to_each(shell, options, shell.site.containers.unpause)


def add_rm(parser: argparse.ArgumentParser) -> None:
    running = parser.add_mutually_exclusive_group()
    running.add_argument("-f", "--force", action="store_true", help="those that run, too: kill them")
    running.add_argument("-s", "--stop", action="store_true", help="those that run, too: stop them first")
    parser.add_argument("-v", "--volumes", action="store_true", help="with their volumes without a name")
    _grace(parser)


def rm(shell: Shell, options: argparse.Namespace) -> int:
    return _to_each(
        shell,
        options,
        lambda found: shell.site.containers.remove(
            found, force=options.force, stop=options.stop, timeout_seconds=options.time, volumes=options.volumes
        ),
    )


def add_rename(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="CONTAINER")
    parser.add_argument("new", metavar="NEW-NAME")


def rename(shell: Shell, options: argparse.Namespace) -> None:
    found = finding.container(shell.site, options.name, shell.host)
    shell.wait(shell.site.containers.rename(found["id"], name=options.new))


def update(shell: Shell, options: argparse.Namespace) -> int:
    changes = run_options.changes(options)
    if not changes:
        raise UsageError("nothing is to be changed: see `portside update --help`")
    return _to_each(shell, options, lambda found: shell.site.containers.update(found, **cast(Any, changes)))


def add_wait(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--condition", choices=("not-running", "next-exit", "removed"), help="not-running if left out")
    _names(parser)


def wait(shell: Shell, options: argparse.Namespace) -> int:
    """The exit code of each, in its own line."""

    def ended(name: str) -> str:
        found = finding.container(shell.site, name, shell.host)
        outcome = shell.site.await_container(found["id"], condition=options.condition)
        return str(outcome["exit_code"] if outcome["exit_code"] is not None else 0)

    return shell.each(options.names, ended)


COMMANDS = (
    Command(("stop",), "Stop containers", stop, add_stop),
    Command(("restart",), "Stop containers and start them again", restart, _grace),
    Command(("kill",), "Send a signal to containers", kill, add_kill),
    Command(("pause",), "Let containers stand still", pause, _names),
    Command(("unpause",), "Let containers go on", unpause, _names),
    Command(("rm",), "Remove containers", rm, add_rm),
    Command(("rename",), "Give a container another name", rename, add_rename),
    Command(("update",), "Change limits and restart policy of containers", update, run_options.add_update),
    Command(("wait",), "Wait for containers to end, and tell their exit codes", wait, add_wait),
)
