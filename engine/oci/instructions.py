"""Instructions of a Dockerfile that change an image's configuration alone, as `docker commit --change` takes them.

https://docs.docker.com/reference/cli/docker/container/commit/ and Dockerfile reference; `config` is the object of that
name in an image config (image-spec, config.md), with Docker's OnBuild.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Iterable
from typing import Any

from engine.errors import InvalidArgument
from engine.oci import durations, signals

LINE_MAXIMUM, LINES_MAXIMUM = 8192, 100
_PORT = re.compile(r"([0-9]{1,5})(?:-([0-9]{1,5}))?(?:/(tcp|udp|sctp))?", re.IGNORECASE)
_SHELL = ["/bin/sh", "-c"]
_CHECK_TIMES = {
    "interval": "Interval",
    "timeout": "Timeout",
    "start-period": "StartPeriod",
    "start-interval": "StartInterval",
}
_SHORTEST_SECONDS, _NANOSECONDS = 0.001, 1_000_000_000


def apply(config: dict[str, Any], lines: Iterable[str]) -> dict[str, Any]:
    """`config` as the instructions change it; the one given stays as it is.

    Raises `InvalidArgument` with the field `changes`.
    """
    changed: dict[str, Any] = json.loads(json.dumps(config))
    lines = list(lines)
    if len(lines) > LINES_MAXIMUM:
        raise _wrong(f"there are more than {LINES_MAXIMUM} of them")
    for line in lines:
        word, _, rest = line.strip().partition(" ")
        instruction = _INSTRUCTIONS.get(word.upper())
        rest = rest.strip()
        if instruction is None:
            raise _wrong(f"{word[:40]!r} is none of {', '.join(_INSTRUCTIONS)}")
        if not rest or len(line) > LINE_MAXIMUM or "\0" in line or "\n" in line:
            raise _wrong(f"{word.upper()} needs words after it, on one line of at most {LINE_MAXIMUM} characters")
        instruction(changed, rest)
    return changed


def _cmd(config: dict[str, Any], rest: str) -> None:
    config["Cmd"] = _command(config, rest)


def _entrypoint(config: dict[str, Any], rest: str) -> None:
    config["Entrypoint"] = _command(config, rest)


def _command(config: dict[str, Any], rest: str) -> list[str]:
    """The exec form, or a line for the shell."""
    found = _list(rest)
    return found if found is not None else [*(config.get("Shell") or _SHELL), rest]


def _env(config: dict[str, Any], rest: str) -> None:
    names = dict(entry.partition("=")[::2] for entry in config.get("Env") or ())
    config["Env"] = [f"{name}={value}" for name, value in {**names, **_pairs("ENV", rest)}.items()]


def _label(config: dict[str, Any], rest: str) -> None:
    config["Labels"] = {**(config.get("Labels") or {}), **_pairs("LABEL", rest)}


def _pairs(word: str, rest: str) -> dict[str, str]:
    """`a=1 b="2 3"`, or `a 1` for a single one."""
    words = _words(rest)
    if "=" not in words[0]:
        name, _, value = rest.partition(" ")
        words = [f"{name}={value.strip()}"] if value else words
    pairs = dict(entry.partition("=")[::2] for entry in words if "=" in entry)
    if len(pairs) != len({entry.partition("=")[0] for entry in words}) or "" in pairs:
        raise _wrong(f"{word} is written NAME=VALUE, with quotes around a value that has spaces")
    return pairs


def _expose(config: dict[str, Any], rest: str) -> None:
    ports = dict(config.get("ExposedPorts") or {})
    for word in _words(rest):
        match = _PORT.fullmatch(word)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
        if match is None or not 1 <= first <= last <= 65535:
            raise _wrong(f"{word[:40]!r} is no port: write 80, 80/udp or 8000-8010")
        ports |= {f"{port}/{(match[3] or 'tcp').lower()}": {} for port in range(first, last + 1)}
    config["ExposedPorts"] = ports


def _volume(config: dict[str, Any], rest: str) -> None:
    words = _list(rest)
    config["Volumes"] = {**(config.get("Volumes") or {}), **{word: {} for word in words or _words(rest)}}


def _workdir(config: dict[str, Any], rest: str) -> None:
    config["WorkingDir"] = posixpath.normpath(posixpath.join(config.get("WorkingDir") or "/", *_words(rest)[:1]))


def _user(config: dict[str, Any], rest: str) -> None:
    config["User"] = _words(rest)[0]


def _stop_signal(config: dict[str, Any], rest: str) -> None:
    try:
        signals.parse(rest)
    except InvalidArgument:
        raise _wrong(f"{rest[:40]!r} is no signal: write a name such as SIGTERM, or a number") from None
    config["StopSignal"] = rest


def _healthcheck(config: dict[str, Any], rest: str) -> None:
    """As Docker's HealthConfig, whose times are nanoseconds; what is 0 is left out, and means the default."""
    check: dict[str, Any] = {}
    while rest.startswith("--"):
        flag, _, rest = rest.partition(" ")
        rest = rest.strip()
        name, _, value = flag[2:].partition("=")
        if name == "retries" and value.isascii() and value.isdigit() and len(value) < 10:
            check["Retries"] = int(value)
        elif name in _CHECK_TIMES:
            check[_CHECK_TIMES[name]] = round(_check_seconds(name, value) * _NANOSECONDS)
        else:
            raise _wrong(f"{flag[:40]!r} is none of {', '.join(f'--{one}=' for one in (*_CHECK_TIMES, 'retries'))}")
    word, _, command = rest.partition(" ")
    if word.upper() == "NONE" and not command and not check:
        config["Healthcheck"] = {"Test": ["NONE"]}
        return
    if word.upper() != "CMD" or not command.strip():
        raise _wrong("HEALTHCHECK has NONE, or CMD and a command, after its flags")
    words = _list(command.strip())
    test = ["CMD", *words] if words is not None else ["CMD-SHELL", command.strip()]
    config["Healthcheck"] = {"Test": test, **{name: value for name, value in check.items() if value}}


def _check_seconds(name: str, value: str) -> float:
    try:
        found = durations.seconds(value)
    except ValueError:
        found = -1.0
    if found and found < _SHORTEST_SECONDS:
        raise _wrong(f"--{name} is a time of 1ms or more such as 30s or 1m30s, not {value[:40]!r}")
    return found


def _onbuild(config: dict[str, Any], rest: str) -> None:
    if rest.partition(" ")[0].upper() in ("ONBUILD", "FROM", "MAINTAINER"):
        raise _wrong("ONBUILD takes no ONBUILD, FROM or MAINTAINER")
    config["OnBuild"] = [*(config.get("OnBuild") or ()), rest]


def _words(rest: str) -> list[str]:
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise _wrong(f"{rest[:40]!r}: {error}") from error
    if not words:
        raise _wrong(f"{rest[:40]!r} holds no word")
    return words


def _list(rest: str) -> list[str] | None:
    """The words of a JSON list; None for anything else."""
    if not rest.startswith("["):
        return None
    try:
        found = json.loads(rest)
    except ValueError:
        return None
    return found if found and isinstance(found, list) and all(isinstance(word, str) for word in found) else None


def _wrong(why: str) -> InvalidArgument:
    return InvalidArgument(f"changes: {why}", {"field": "changes", "fields": {"changes": [why]}})


_INSTRUCTIONS: dict[str, Callable[[dict[str, Any], str], None]] = {
    "CMD": _cmd,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "ONBUILD": _onbuild,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
