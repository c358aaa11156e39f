"""run, create, start, attach, exec: processes, and a person's terminal on them."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from pathlib import Path
from typing import Any, cast

from client.cli import finding
from client.cli.shell import Command, Shell, UsageError
from client.cli.terminal import Carrier, forwarded, size_of_terminal
from client.errors import AlreadyExists, InvalidArgument, PortsideError, Unavailable
from client.resource import Json
from client.session import Session
from client.sockets import TRIES, pause
from engine import run_options
from engine.options.detach_keys import DETACH_KEYS, DetachKeys

RUN_FAILED = 125
_LOOK_SECONDS = 1.0


def run(shell: Shell, options: argparse.Namespace) -> int:
    """In the foreground: its output as it comes, signals handed on, and its exit code as ours."""
    _check(options)
    fields = _fields(options)
    if options.detach:
        made = _create(shell, options, {**fields, "auto_remove": options.rm, "start": True})
        shell.say(made["id"])
        return 0
    made = _create(shell, options, {**fields, "auto_remove": options.rm, "start": False})
    return _watch(shell, made, options)


def create(shell: Shell, options: argparse.Namespace) -> None:
    _check(options)
    made = _create(shell, options, {**_fields(options), "auto_remove": options.rm, "start": False})
    shell.say(made["id"])


def _fields(options: argparse.Namespace) -> dict[str, Any]:
    fields = run_options.request(options)
    return {name: list(value) if isinstance(value, tuple) else value for name, value in fields.items()}


def _check(options: argparse.Namespace) -> None:
    DetachKeys(options.detach_keys)
    if options.cidfile is not None and Path(options.cidfile).exists():
        raise AlreadyExists(f"--cidfile: {options.cidfile} is there: another container's, perhaps; remove it first")
    if options.attach and options.detach:
        raise UsageError("--attach and --detach go ill together: leave one of the two out")


def _create(shell: Shell, options: argparse.Namespace, fields: dict[str, Any]) -> Json:
    """The container, once its host has made it; one that could not be made is not left behind."""
    answer = shell.site.containers.create(**cast(Any, {"host": shell.host, **fields}))
    made: Json = answer["container"]
    if options.cidfile is not None:
        try:
            with open(options.cidfile, "x", encoding="ascii") as file:
                file.write(made["id"])
        except OSError as error:
            raise InvalidArgument(f"--cidfile: {error}; the container {made['id'][:12]} is made") from None
    try:
        shell.wait(answer, quiet=options.quiet)
    except PortsideError:
        if options.rm:
            _remove(shell, made["id"])
        raise
    return made


def _remove(shell: Shell, container_id: str) -> None:
    try:
        shell.site.wait(shell.site.containers.remove(container_id, force=True, volumes=True))
    except PortsideError:
        return  # it was never made, or it has gone already


def _watch(shell: Shell, container: Json, options: argparse.Namespace) -> int:
    """Attach before it starts, so that not a byte is missed; start it; carry its bytes to the end."""
    wanted = options.attach or ["stdout", "stderr"]
    size = size_of_terminal() if options.tty else {}
    session = shell.site.attach(container["id"], ahead=True, stdin=options.interactive or None, **size)
    starting = _Start(shell, container["id"], session)
    with forwarded(_killer(shell, container["id"]), wanted=options.sig_proxy == "true" and not options.tty):
        thread = threading.Thread(target=starting.run, name="start", daemon=True)
        thread.start()
        carrier = Carrier(
            session,
            is_tty=options.tty,
            takes_input=options.interactive,
            keys=options.detach_keys if options.tty else "",
            streams=wanted,
        )
        try:
            code = carrier.run()
        except PortsideError:
            if starting.error is None:
                raise
            code = None
        except KeyboardInterrupt:  # with --sig-proxy=false: it is left alone
            session.close()
            return 130
        thread.join()  # a start that failed is told after the end that it was
    if starting.error is not None:
        if options.rm:
            _remove(shell, container["id"])
        raise starting.error
    return code or 0


class _Start:
    """Starts a container as soon as somebody is attached to its next run; ends the session if that fails."""

    def __init__(self, shell: Shell, container_id: str, session: Session) -> None:
        self._shell, self._id, self._session = shell, container_id, session
        self.error: PortsideError | None = None

    def run(self) -> None:
        try:
            while not self._session.is_attached.wait(_LOOK_SECONDS):
                if self._session.is_over:
                    return
            self._shell.site.wait(self._shell.site.containers.start(self._id))
        except PortsideError as error:
            self.error = error
            self._session.close()


def _killer(shell: Shell, container_id: str) -> Any:
    def kill(name: str) -> None:
        for number in range(TRIES):
            try:
                shell.site.containers.kill(container_id, signal=name)
            except Unavailable:  # whoever pressed Ctrl-C would wait for ever
                time.sleep(pause(number))
            except PortsideError:
                return  # it has just ended
            else:
                return

    return kill


def add_start(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-a", "--attach", action="store_true", help="stay with it until it ends")
    parser.add_argument("-i", "--interactive", action="store_true", help="pass standard input on")
    parser.add_argument("--detach-keys", default=DETACH_KEYS, metavar="KEYS")
    parser.add_argument("names", nargs="+", metavar="CONTAINER")


def start(shell: Shell, options: argparse.Namespace) -> int:
    if not options.attach and not options.interactive:
        return shell.each(options.names, lambda name: _start(shell, name))
    if len(options.names) > 1:
        raise UsageError("you can attach to one container at a time: name one")
    container = finding.container(shell.site, options.names[0], shell.host)
    options.tty, options.attach, options.sig_proxy, options.rm = container["tty"], [], "true", False
    return _watch(shell, container, options)


def _start(shell: Shell, name: str) -> None:
    shell.wait(shell.site.containers.start(finding.container(shell.site, name, shell.host)["id"]))


def add_attach(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-stdin", action="store_true", help="only look")
    parser.add_argument("--detach-keys", default=DETACH_KEYS, metavar="KEYS")
    parser.add_argument("--sig-proxy", default="true", choices=("true", "false"), help="hand signals on (true)")
    parser.add_argument("name", metavar="CONTAINER")


def attach(shell: Shell, options: argparse.Namespace) -> int:
    DetachKeys(options.detach_keys)
    container = finding.container(shell.site, options.name, shell.host)
    takes_input = container["stdin_open"] and not options.no_stdin
    size = size_of_terminal() if container["tty"] else {}
    session = shell.site.attach(container["id"], stdin=takes_input or None, **size)
    with forwarded(_killer(shell, container["id"]), wanted=options.sig_proxy == "true" and not container["tty"]):
        keys = options.detach_keys if container["tty"] else ""
        return Carrier(session, is_tty=container["tty"], takes_input=takes_input, keys=keys).run() or 0


def execute(shell: Shell, options: argparse.Namespace) -> int:
    """One more process in a container; its exit code is ours."""
    if not options.command:
        raise UsageError("exec needs a command to run: see `portside exec --help`")
    if options.interactive and options.tty and not options.detach and not sys.stdin.isatty():
        raise InvalidArgument("-t needs a terminal, and standard input is none: leave it out")
    container = finding.container(shell.site, options.name, shell.host)
    wish: dict[str, Any] = {
        "user": options.user,
        "workdir": options.workdir,
        "privileged": options.privileged or None,
        "env": run_options.variables_of(options) or None,
    }
    if options.detach:
        return _leave_alone(shell, container["id"], {"command": list(options.command), **wish})
    keys = options.detach_keys if options.tty else ""
    DetachKeys(keys)  # what are no keys is told before anything runs
    session = shell.site.exec(
        container["id"],
        list(options.command),
        tty=options.tty or None,
        stdin=options.interactive or None,
        **wish,
        **(size_of_terminal() if options.tty else {}),
    )
    return Carrier(session, is_tty=options.tty, takes_input=options.interactive, keys=keys).run() or 0


def _leave_alone(shell: Shell, container_id: str, wish: dict[str, Any]) -> int:
    """Silent, as docker; --json says where it is found."""
    said = {name: value for name, value in wish.items() if value is not None}
    begun = shell.site.containers.exec(container_id, **cast(Any, {**said, "detach": True}))
    if shell.wants_json:
        shell.dump(begun)
    return 0


def add_create(parser: argparse.ArgumentParser) -> None:
    run_options.add(parser)
    parser.set_defaults(detach=False)


def add_exec(parser: argparse.ArgumentParser) -> None:
    run_options.add_exec(parser)
    parser.epilog = f"Exit codes: the command's; 126 it can't be executed, 127 it is not there, {RUN_FAILED} all else."


_CODES = {"failed": RUN_FAILED, "usage": RUN_FAILED}
COMMANDS = (
    Command(("run",), "Create and start a container, and stay with it", run, run_options.add, **_CODES),
    Command(("create",), "Create a container without starting it", create, add_create),
    Command(("start",), "Start containers", start, add_start),
    Command(("attach",), "Stand before a container's own process", attach, add_attach),
    Command(("exec",), "Run a command in a running container", execute, add_exec, **_CODES),
)
