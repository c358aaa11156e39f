"""`python -m engine.runtime [global options] COMMAND [options] ID …`: words in, exit code out.

The peers' grammar: `--name value`, `--name=value`, `-name` as Go's flag package takes it, short letters, and
everything after the container's id as it is. A parser of its own, since argparse's import alone takes as long as
a container needs to start.

Exit codes: 0; 1 for an error (255 from exec and run), told on stderr and in --log; of `run` and `exec` the
process's own, 128 + n after signal n.
"""

from __future__ import annotations

import os
import sys
import time

from engine.bare import contextlib
from engine.runtime.wire import Failure, failure_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    Options = dict[str, Any]

DEFAULT_ROOT = "/run/portside-runtime"
GLOBAL = {
    "root": "value", "log": "value", "log-format": "value", "debug": "flag", "systemd-cgroup": "flag",
    "rootless": "value", "cgroup-manager": "value", "criu": "value", "help": "flag", "h": "help",
    "version": "flag", "v": "version",
}  # fmt: skip
"""Option → "flag", "value", "list", or the long name that a letter stands for."""


_WORDS = {
    "exec": "ID COMMAND …", "kill": "ID [SIGNAL]", "list": "", "features": "", "spec": "", "version": "",
    "help": "[COMMAND]", "checkpoint": "…", "restore": "…",
}  # fmt: skip
"""What follows a command and its options, where that isn't the container's id alone."""


def parse(words: list[str], known: Mapping[str, str]) -> tuple[Options, list[str]]:
    """(options by long name, the rest from the first word that is none). Failure for an unknown option."""
    options: Options = {}
    position = 0
    while position < len(words) and words[position].startswith("-") and words[position] != "-":
        word = words[position]
        position += 1
        if word == "--":
            break
        name, equals, value = word.lstrip("-").partition("=")
        if name not in known and not word.startswith("--") and not equals and all(c in known for c in name):
            words[position:position] = [f"-{letter}" for letter in name]  # -it
            continue
        if name in known and known[name] not in ("flag", "value", "list"):
            name = known[name]
        kind = known.get(name)
        if kind is None:
            raise Failure("invalid_argument", f"unknown option {word}; see --help")
        if kind == "flag":
            options[name] = value.lower() not in ("false", "0") if equals else True
            continue
        if not equals:
            if position >= len(words):
                raise Failure("invalid_argument", f"{word} needs a value")
            value = words[position]
            position += 1
        if kind == "list":
            options.setdefault(name, []).append(value)
        else:
            options[name] = value
    return options, words[position:]


def printable(message: str) -> str:
    """Without what a terminal or a log would obey: an image chooses the names that errors repeat."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in message)


class Log:
    """Where errors go: stderr, and the file of --log as text or as one JSON object per line (logrus' form)."""

    def __init__(self, path: str, form: str, *, debug: bool = False) -> None:
        if form not in ("", "text", "json"):
            raise Failure("invalid_argument", f"--log-format: {form!r} is not text or json")
        self.path, self.json, self._debug = path, form == "json", debug
        if path:
            try:
                os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644))
            except OSError as error:
                raise Failure("invalid_argument", f"--log: {path}: {error.strerror}") from None

    def debug(self, message: str) -> None:
        """Only with --debug."""
        if self._debug:
            self.say("debug", message)

    def warn(self, message: str) -> None:
        self.say("warning", message)

    def say(self, level: str, message: str) -> None:
        message = printable(message)
        if level == "error" or not self.path:
            _tell(f"{message}\n" if level != "debug" else f"level=debug msg={message!r}\n")
        if not self.path:
            return
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self.json:
            from engine.bare import json

            line = json.dumps({"level": level, "msg": message, "time": stamp})
        else:
            quoted = message.replace("\\", "\\\\").replace('"', '\\"')
            line = f'time="{stamp}" level={level} msg="{quoted}"'
        try:
            with open(self.path, "a") as file:
                file.write(f"{line}\n")
        except OSError as error:
            _tell(f"--log: {self.path}: {error.strerror}\n")


def _tell(line: str) -> None:
    """On stderr, if that takes it: a container is not to fail because of a warning, nor may an exit code be lost."""
    with contextlib.suppress(OSError):
        sys.stderr.write(line)


def main(words: list[str]) -> int:
    """Run one command; its exit code."""
    log = Log("", "")
    command = ""
    try:
        options, rest = parse(list(words), GLOBAL)
        log = Log(options.get("log", ""), options.get("log-format", ""), debug=bool(options.get("debug")))
        options["root"] = os.path.abspath(options.get("root") or _default_root())
        _check(options)
        from engine.runtime.oci import verbs

        log.debug(f"pid {os.getpid()}, parent {os.getppid()}, root {options['root']}: {' '.join(rest[:1])}")
        command = "version" if options.get("version") else "help" if options.get("help") or not rest else rest[0]
        return _run(verbs.VERBS, command, options, rest[1:], log)
    except Failure as failure:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        log.say("error", str(failure))
        return failure.exit_code or (255 if command == "exec" else 1)
    except BrokenPipeError:  # whoever read has seen enough
        return 1
    except KeyboardInterrupt:  # what was begun is undone by now; a shell is to see what it was that ended this
        from engine.bare import signal

        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
        return 130


def _check(options: Options) -> None:
    if options.get("systemd-cgroup") or options.get("cgroup-manager") == "systemd":
        raise Failure("unsupported", "--systemd-cgroup: control groups are made directly; use the cgroupfs manager")
    if options.get("rootless") not in (None, "auto", "true", "false"):
        raise Failure("invalid_argument", f"--rootless: {options['rootless']!r} is not auto, true or false")
    if not os.path.isdir(options["root"]) and os.path.lexists(options["root"]):
        raise Failure("invalid_argument", f"--root: {options['root']} is not a directory")


def _default_root() -> str:
    if os.environ.get("XDG_RUNTIME_DIR") and (os.geteuid() != 0 or _is_guest()):
        return os.path.join(os.environ["XDG_RUNTIME_DIR"], "portside-runtime")
    return DEFAULT_ROOT


def _is_guest() -> bool:
    """Whether this root is that of a user namespace, who has no more of the host's directories than its user."""
    from engine.runtime.oci import rights

    return rights.is_guest()


def _run(
    verbs: Mapping[str, tuple[Mapping[str, str], Callable[..., int]]], command: str, options: Options,
    words: list[str], log: Log,
) -> int:  # fmt: skip
    if command not in verbs:
        raise Failure("invalid_argument", f"unknown command {command!r}; see --help")
    known, verb = verbs[command]
    known = {**known, "help": "flag", "h": "help"}
    own, rest = parse(words, known)
    if command != "exec":  # whose words are a program's; elsewhere an option may follow them, and is not passed over
        names = []
        while rest:
            names.append(rest[0])
            more, rest = parse(rest[1:], known)
            own.update(more)
        rest = names
    if own.get("help"):
        command, rest, (_, verb) = "help", [], verbs["help"]
    _refuse_more(command, own, rest)
    try:
        code = verb({**options, **own}, rest, log)
    except OSError as error:
        _flush()  # where stdout takes no more, it was that which failed
        raise failure_of(error, command) from error
    _flush()
    return code


def _refuse_more(command: str, own: Options, words: list[str]) -> None:
    """Raise Failure for words that a command has no use for: whoever wrote them meant something by them."""
    usage = _WORDS.get(command, "ID")
    if command == "exec" and own.get("process"):
        usage = "--process FILE ID"
    elif command == "kill" and own.get("signal"):
        usage = "--signal SIGNAL ID"
    elif usage.endswith("…"):
        return
    most = usage.count("ID") + usage.count("[")
    if len(words) > most:
        raise Failure("invalid_argument", f"{command} has no use for {words[most]!r}; usage: {command} {usage}".strip())


def _flush() -> None:
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Failure("unavailable", f"stdout: {error.strerror}") from None
