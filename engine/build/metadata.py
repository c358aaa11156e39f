"""Instructions that change the image's configuration alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.build.draft import Draft
from engine.build.language import model
from engine.build.language.commands import argv
from engine.build.language.source import DockerfileError
from engine.errors import InvalidArgument
from engine.oci import signals

_GO_SECONDS = 1_000_000_000


def apply(draft: Draft, instruction: model.Instruction) -> bool:
    """Apply an expanded instruction; False for one that is none of these. Raises `DockerfileError`."""
    found = _APPLY.get(type(instruction))
    if found is None:
        return False
    found(draft, instruction)
    return True


def argument(
    draft: Draft,
    instruction: model.Arg,
    given: Mapping[str, str],
    above: Mapping[str, str],
    expand: Callable[[str], str],
) -> None:
    """ARG: the value given for the build, else its default, else the one that stands above the first FROM."""
    shown = []
    for name, default in instruction.pairs:
        if name in given:
            value: str | None = given[name]
        elif default is not None:
            value = expand(default)
        else:
            value = above.get(name)
        if value is not None:
            draft.variables[name] = value
        draft.arguments.append((name, value))
        shown.append(name if value is None else f"{name}={value}")
    draft.note("ARG " + " ".join(shown))


def _env(draft: Draft, instruction: model.Env) -> None:
    for name, value in instruction.pairs:
        draft.set_variable(name, value)
    draft.note("ENV " + " ".join(f"{name}={value}" for name, value in instruction.pairs))


def _label(draft: Draft, instruction: model.Label) -> None:
    draft.config["Labels"] = {**(draft.config.get("Labels") or {}), **dict(instruction.pairs)}
    draft.note("LABEL " + " ".join(f"{name}={value}" for name, value in instruction.pairs))


def _maintainer(draft: Draft, instruction: model.Maintainer) -> None:
    draft.document["author"] = instruction.name
    draft.note(f"MAINTAINER {instruction.name}")


def _cmd(draft: Draft, instruction: model.Cmd) -> None:
    command = with_shell(draft, instruction.command)
    draft.config.update(Cmd=command, ArgsEscaped=True)
    draft.has_cmd = True
    draft.note(f"CMD {quoted(command)}")


def _entrypoint(draft: Draft, instruction: model.Entrypoint) -> None:
    command = with_shell(draft, instruction.command)
    draft.config["Entrypoint"] = command
    if not draft.has_cmd:
        draft.config.pop("Cmd", None)
    draft.note(f"ENTRYPOINT {quoted(command)}")


def with_shell(draft: Draft, command: model.Command) -> list[str]:
    """The exec form, or a text with the shell before it."""
    return list(argv(command, draft.shell))


def _shell(draft: Draft, instruction: model.Shell) -> None:
    draft.config["Shell"] = list(instruction.argv)
    draft.note(f"SHELL [{' '.join(instruction.argv)}]")


def _healthcheck(draft: Draft, instruction: model.Healthcheck) -> None:
    if instruction.command is None:
        check: dict[str, Any] = {"Test": ["NONE"]}
    else:
        command = instruction.command
        kind = "CMD-SHELL" if command.is_shell else "CMD"
        check = {"Test": [kind, *command.argv]}
    times = {
        "Interval": instruction.interval,
        "Timeout": instruction.timeout,
        "StartPeriod": instruction.start_period,
        "StartInterval": instruction.start_interval,
    }
    check |= {name: round(seconds * _GO_SECONDS) for name, seconds in times.items() if seconds}
    if instruction.retries:
        check["Retries"] = instruction.retries
    draft.config["Healthcheck"] = check
    shown = " ".join(f"{name}:{duration(seconds or 0)}" for name, seconds in times.items())
    draft.note(f"HEALTHCHECK {{Test:[{' '.join(check['Test'])}] {shown} Retries:{instruction.retries or 0}}}")


def _user(draft: Draft, instruction: model.User) -> None:
    draft.config["User"] = instruction.user
    draft.note(f"USER {instruction.user}")


def _volume(draft: Draft, instruction: model.Volume) -> None:
    if not all(instruction.paths):
        raise DockerfileError("a volume's path can't be empty", instruction.location)
    draft.config["Volumes"] = {**(draft.config.get("Volumes") or {}), **{path: {} for path in instruction.paths}}
    draft.note(f"VOLUME [{' '.join(instruction.paths)}]")


def _expose(draft: Draft, instruction: model.Expose) -> None:
    draft.config["ExposedPorts"] = {
        **(draft.config.get("ExposedPorts") or {}),
        **{port: {} for port in instruction.ports},
    }
    draft.note(f"EXPOSE [{' '.join(instruction.ports)}]")


def _stop_signal(draft: Draft, instruction: model.StopSignal) -> None:
    try:
        signals.parse(instruction.signal)
    except InvalidArgument as error:
        raise DockerfileError(error.message, instruction.location) from error
    draft.config["StopSignal"] = instruction.signal
    draft.note(f"STOPSIGNAL {instruction.signal}")


def _onbuild(draft: Draft, instruction: model.Onbuild) -> None:
    draft.config["OnBuild"] = [*(draft.config.get("OnBuild") or ()), instruction.trigger]


_APPLY: dict[type[model.Instruction], Callable[[Draft, Any], None]] = {
    model.Env: _env,
    model.Label: _label,
    model.Maintainer: _maintainer,
    model.Cmd: _cmd,
    model.Entrypoint: _entrypoint,
    model.Shell: _shell,
    model.Healthcheck: _healthcheck,
    model.User: _user,
    model.Volume: _volume,
    model.Expose: _expose,
    model.StopSignal: _stop_signal,
    model.Onbuild: _onbuild,
}


def quoted(words: Sequence[str]) -> str:
    """As Go's %q shows a list of texts."""
    return f"[{' '.join(json.dumps(word, ensure_ascii=False) for word in words)}]"


def duration(seconds: float) -> str:
    """As Go shows a time.Duration."""
    if not seconds:
        return "0s"
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    hours, rest = divmod(seconds, 3600)
    minutes, rest = divmod(rest, 60)
    text = f"{rest:g}s"
    if hours or minutes:
        text = f"{int(minutes)}m{text}"
    return f"{int(hours)}h{text}" if hours else text
