"""The commands: options and words in, one call, the exit code out. What they print is what runc prints."""

from __future__ import annotations

import os
import sys

from engine.bare import json
from engine.runtime.oci.state import STATE_FILE, Container
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from engine.runtime.oci.command_line import Log, Options

SHIELDED = ("create", "run", "exec")
"""Those whose process becomes a container's: see `shield` in launcher.py."""


def _id(words: list[str]) -> str:
    if not words or not words[0]:
        raise Failure("invalid_argument", "container id cannot be empty")
    return words[0]


def _container(options: Options, words: list[str]) -> Container:
    return Container.load(options["root"], _id(words))


def _print(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2) + "\n")
    sys.stdout.flush()


def _request(options: Options, words: list[str], log: Log) -> Any:
    from engine.runtime.oci.bundle import CONFIG, load
    from engine.runtime.oci.creation import Request
    from engine.runtime.oci.preserved import of_options

    name, bundle = _id(words), options.get("bundle") or "."
    spec, document = load(bundle, options.get("config") or CONFIG, log.warn)  # perhaps a pipe, to be read but once
    preserved = of_options(options.get("preserve-fds", "0"))  # which closes it
    return Request(
        options["root"], name, bundle, spec, document, options.get("console-socket", ""), options.get("pid-file", ""),
        preserved,
    )  # fmt: skip


def create(options: Options, words: list[str], log: Log) -> int:
    from engine.runtime.oci import creation

    creation.create(_request(options, words, log))
    return 0


def start(options: Options, words: list[str], log: Log) -> int:
    from engine.runtime.oci import starting

    for problem in starting.start(_container(options, words)):
        log.say("warning", problem)
    return 0


def run(options: Options, words: list[str], log: Log) -> int:
    from engine.runtime.oci import foreground

    return foreground.run(_request(options, words, log), log, detach="detach" in options, keep="keep" in options)


def exec_(options: Options, words: list[str], log: Log) -> int:
    from engine.runtime.oci import foreground

    return foreground.exec_(_container(options, words), options, words[1:], log)


def state(options: Options, words: list[str], log: Log) -> int:
    _print(_container(options, words).as_listed())
    return 0


def kill(options: Options, words: list[str], log: Log) -> int:
    from engine.runtime.oci import ending

    number = ending.signal_number(options.get("signal") or (words[1] if len(words) > 1 else "SIGTERM"))
    ending.kill(_container(options, words), number, everyone=bool(options.get("all")))
    return 0


def delete(options: Options, words: list[str], log: Log) -> int:
    from engine.runtime.oci import ending

    force = bool(options.get("force"))
    try:
        container = _container(options, words)
    except Failure as failure:
        if failure.family == "data_corrupt" and force:
            Container(options["root"], _id(words), {}).forget()
            return 0
        if not force or failure.family != "not_found":
            raise
        Container(options["root"], _id(words), {}).forget()
        return 0
    for problem in ending.delete(container, force=force):
        log.say("warning", problem)
    return 0


def _all(root: str) -> list[Container]:
    found = []
    try:
        names = sorted(os.listdir(root)) if os.path.isdir(root) else []
    except OSError as error:
        raise Failure("permission_denied", f"--root: {root}: {error.strerror}; choose another directory") from None
    for name in names:
        if os.path.exists(os.path.join(root, name, STATE_FILE)):
            try:
                found.append(Container.load(root, name))
            except Failure:
                continue  # deleted meanwhile
    return found


def list_(options: Options, words: list[str], log: Log) -> int:
    containers = _all(options["root"])
    if options.get("quiet"):
        sys.stdout.write("".join(f"{container.id}\n" for container in containers))
        return 0
    rows = [container.as_listed() for container in containers]
    if options.get("format") == "json":
        sys.stdout.write(json.dumps(rows) + "\n")
        return 0
    if options.get("format") not in (None, "table"):
        raise Failure("invalid_argument", f"--format: {options['format']!r} is not table or json")
    keys = ("id", "pid", "status", "bundle", "created", "owner")
    lines = [[key.upper() for key in keys], *([str(row[key]) for key in keys] for row in rows)]
    widths = [max(len(line[column]) for line in lines) + 4 for column in range(len(keys))]
    for line in lines:
        padded = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        sys.stdout.write("".join(padded).rstrip() + "\n")
    return 0


def ps(options: Options, words: list[str], log: Log) -> int:
    container = _container(options, words)
    pids = [] if container.has_lost_groups() else container.groups().pids()
    if options.get("format") == "json":
        sys.stdout.write(json.dumps(pids) + "\n")
    elif options.get("format") not in (None, "table"):
        raise Failure("invalid_argument", f"--format: {options['format']!r} is not table or json")
    else:
        sys.stdout.write("PID\n" + "".join(f"{pid}\n" for pid in pids))
    return 0


def _freeze(options: Options, words: list[str], wanted: bool) -> int:
    container = _container(options, words)
    with container.locked():
        status = container.status()
        needed = ("running", "created") if wanted else ("paused",)
        if status not in needed:
            raise Failure("conflict", f"container {container.id} is {status}, not {' or '.join(needed)}")
        container.groups().freeze(wanted)
    return 0


def pause(options: Options, words: list[str], log: Log) -> int:
    return _freeze(options, words, wanted=True)


def resume(options: Options, words: list[str], log: Log) -> int:
    return _freeze(options, words, wanted=False)


def update(options: Options, words: list[str], log: Log) -> int:
    from engine.runtime.oci import updating

    updating.update(_container(options, words), options)
    return 0


def events(options: Options, words: list[str], log: Log) -> int:
    from engine.runtime.oci import usage

    return usage.report(_container(options, words), once=bool(options.get("stats")), pause=options.get("interval", "5"))


def features(options: Options, words: list[str], log: Log) -> int:
    from engine.runtime.oci import offering

    _print(offering.features())
    return 0


def spec(options: Options, words: list[str], log: Log) -> int:
    from engine.runtime.oci import offering

    path = os.path.join(options.get("bundle") or ".", "config.json")
    if os.path.exists(path):
        raise Failure("already_exists", f"file {path} exists. Remove it first")
    document = offering.example(rootless=options.get("rootless") not in (None, False, "false", "auto"))
    with open(path, "w") as file:
        file.write(json.dumps(document, indent="\t") + "\n")
    return 0


def version(options: Options, words: list[str], log: Log) -> int:
    from engine.oci.runtime_spec import VERSION

    sys.stdout.write(f"portside-runtime version 0.1.0\nspec: {VERSION}\n")
    return 0


def help_(options: Options, words: list[str], log: Log) -> int:
    commands = "  ".join(name for name in VERBS if name not in ("version", "help"))
    sys.stdout.write(
        "usage: python -m engine.runtime [--root DIR] [--log FILE] [--log-format text|json]"
        f" [--rootless auto|true|false] COMMAND …\n\ncommands: {commands}\n"
    )
    for name, (known, _) in VERBS.items():
        words_of = [f"--{option}" for option, kind in known.items() if len(option) > 1 and kind in _KINDS]
        sys.stdout.write(f"  {name:10} {' '.join(words_of)}\n")
    return 0


def unsupported(options: Options, words: list[str], log: Log) -> int:
    raise Failure("unsupported", "checkpoints are not supported by this runtime")


_KINDS = ("flag", "value", "list")
_CREATE = {
    "bundle": "value", "b": "bundle", "config": "value", "f": "config", "console-socket": "value",
    "pid-file": "value", "preserve-fds": "value",
    "no-pivot": "flag", "no-new-keyring": "flag", "no-subreaper": "flag",
}  # fmt: skip
_EXEC = {
    "process": "value", "p": "process", "console-socket": "value", "pid-file": "value", "preserve-fds": "value",
    "detach": "flag", "d": "detach", "tty": "flag", "t": "tty", "env": "list", "e": "env", "cwd": "value",
    "user": "value", "u": "user", "cap": "list", "c": "cap", "no-new-privs": "flag", "additional-gids": "list",
    "g": "additional-gids", "ignore-paused": "flag", "apparmor": "value", "process-label": "value",
    "cgroup": "list",
}  # fmt: skip
_UPDATE = {
    "resources": "value", "r": "resources", "memory": "value", "memory-reservation": "value", "memory-swap": "value",
    "cpu-rt-period": "value", "cpu-rt-runtime": "value",
    "cpu-period": "value", "cpu-quota": "value", "cpu-share": "value", "cpu-burst": "value", "cpu-idle": "value",
    "cpuset-cpus": "value", "cpuset-mems": "value", "pids-limit": "value", "blkio-weight": "value",
}  # fmt: skip
VERBS: Mapping[str, tuple[Mapping[str, str], Callable[..., int]]] = {
    "create": (_CREATE, create),
    "start": ({}, start),
    "state": ({}, state),
    "kill": ({"all": "flag", "a": "all", "signal": "value", "s": "signal"}, kill),
    "delete": ({"force": "flag", "f": "force"}, delete),
    "run": ({**_CREATE, "detach": "flag", "d": "detach", "keep": "flag"}, run),
    "exec": (_EXEC, exec_),
    "ps": ({"format": "value", "f": "format"}, ps),
    "list": ({"format": "value", "f": "format", "quiet": "flag", "q": "quiet"}, list_),
    "pause": ({}, pause),
    "resume": ({}, resume),
    "update": (_UPDATE, update),
    "events": ({"stats": "flag", "interval": "value"}, events),
    "features": ({}, features),
    "spec": ({"bundle": "value", "b": "bundle", "rootless": "flag"}, spec),
    "checkpoint": ({}, unsupported),
    "restore": ({}, unsupported),
    "version": ({}, version),
    "help": ({}, help_),
}
