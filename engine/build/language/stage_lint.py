"""Rules that follow a stage instruction by instruction: its variables, its directory, what it says twice."""

from __future__ import annotations

import dataclasses
import posixpath
import re
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field

from engine.build.language import model, ports
from engine.build.language.expansion import Expander
from engine.build.language.ignore import IgnoreRules
from engine.build.language.parsing import onbuild
from engine.build.language.places import Places
from engine.build.language.scope import Scope
from engine.build.language.suggestions import nearest
from engine.build.language.text_lint import Found, found
from engine.oci.platform import Platform

_SECRET = re.compile(
    r"(?:_|^)(?:apikey|auth|credentials?|key|password|pword|passwd|secret|token)(?:_|$)", re.IGNORECASE
)
_NO_SECRET = re.compile(r"(?:_|^)(?:public|file|version)(?:_|$)", re.IGNORECASE)
_URL = re.compile(r"(?:https?|git|ssh)://|git@", re.IGNORECASE)
_ONCE = (model.Cmd, model.Entrypoint, model.Healthcheck)


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseImage:
    """What a base image's configuration says: variables, shell, triggers, and which platform it is for."""

    environment: Mapping[str, str] = field(default_factory=dict)
    shell: tuple[str, ...] = ()
    triggers: tuple[str, ...] = ()
    platform: Platform | None = None


@dataclass(slots=True, kw_only=True)
class State:
    """What a stage is at an instruction. `base` is None for an image of which nothing is known."""

    scope: Scope
    base: BaseImage | None
    platform: Platform
    has_shell: bool = False
    has_workdir: bool = False
    triggers: tuple[str, ...] = ()
    is_continued: bool = False

    def __post_init__(self) -> None:
        if self.base is not None and not self.is_continued:
            self.has_shell = bool(self.base.shell)
            self.triggers = self.base.triggers

    def continued(self) -> State:
        """For a stage that begins with this one."""
        return dataclasses.replace(self, scope=self.scope.copy(), is_continued=True)


def all_of(stage: model.Stage, state: State, places: Places, ignore: IgnoreRules | None) -> Iterator[Found]:
    """Changes `state` into what it is after the stage. Raises `DockerfileError` where the build would."""
    yield from _platform(stage, state)
    triggers, state.triggers = state.triggers, ()
    instructions = [onbuild(trigger, location=stage.location) for trigger in triggers]
    last: dict[type, model.Instruction] = {}
    for instruction in (*instructions, *stage.instructions):
        missing: set[str] = set()
        made = state.scope.read(instruction, missing=missing)
        if not isinstance(made, model.Expose):  # of which BuildKit doesn't tell either
            yield from _undefined(instruction, missing, state, places)
        if isinstance(instruction, _ONCE):
            yield from _once(instruction, last, places)
        check = _CHECKS.get(type(made))
        if check is not None:
            yield from check(made, instruction, state, places)
        if isinstance(made, model.Expose):
            yield from _expose(instruction, state, places)
        if ignore is not None and isinstance(made, model.Copy | model.Add):
            yield from _ignored(made, instruction, ignore, places)
        if isinstance(made, model.Onbuild):
            state.triggers += (made.trigger,)


def _platform(stage: model.Stage, state: State) -> Iterator[Found]:
    offered = state.base.platform if state.base and not state.is_continued else None
    if offered is not None and (offered.os, offered.architecture) != (state.platform.os, state.platform.architecture):
        text = f"{stage.base} is for {offered}, and {state.platform} is built"
        yield found("InvalidBaseImagePlatform", text, stage.start)


def _undefined(instruction: model.Instruction, missing: Set[str], state: State, places: Places) -> Iterator[Found]:
    for name in sorted(missing):
        hint = nearest(name, state.scope.variables)
        if hint is None and state.base is None:
            continue  # the base image may have it
        text = f"${name} has no value here" + (f" (did you mean ${hint}?)" if hint else "")
        yield found("UndefinedVar", text, instruction, places.variable(instruction.location, name))


def _once(instruction: model.Instruction, last: dict[type, model.Instruction], places: Places) -> Iterator[Found]:
    before = last.get(type(instruction))
    if before is not None:
        text = f"a later {instruction.word} of this stage replaces it"
        warning, _ = found("MultipleInstructionsDisallowed", text, before, places.keyword(before.location))
        yield Found(warning, instruction.comments)
    last[type(instruction)] = instruction


def _workdir(made: model.Workdir, written: model.Instruction, state: State, places: Places) -> Iterator[Found]:
    if not state.has_workdir and not made.path.startswith("/"):
        text = f"{made.path!r} lies in whatever directory the base image has: begin with one from /"
        yield found("WorkdirRelativePath", text, written)
    state.has_workdir = True


def _command(
    made: model.Cmd | model.Entrypoint, written: model.Instruction, state: State, _: Places
) -> Iterator[Found]:
    if made.command.is_shell and not state.has_shell:
        text = f'write {made.word} as a list, ["program", "word"], or choose a shell by SHELL'
        yield found("JSONArgsRecommended", text, written)


def _shell(made: model.Shell, written: model.Instruction, state: State, _: Places) -> Iterator[Found]:
    state.has_shell = bool(made.argv)
    yield from ()


def _pairs(made: model.Env | model.Label, written: model.Instruction, state: State, places: Places) -> Iterator[Found]:
    if made.is_legacy:
        yield found("LegacyKeyValueFormat", f"write {made.word} name=value", written)
    if isinstance(made, model.Env):
        yield from _secrets(made, written, [name for name, _ in made.pairs], places)


def _arg(made: model.Arg, written: model.Instruction, state: State, places: Places) -> Iterator[Found]:
    yield from _secrets(made, written, [name for name, _ in made.pairs], places)


def _secrets(made: model.Instruction, written: model.Instruction, names: list[str], places: Places) -> Iterator[Found]:
    for name in names:
        if _SECRET.search(name) and not _NO_SECRET.search(name):
            text = f"{name} sounds like a secret, and {made.word} shows it to all: use RUN --mount=type=secret"
            yield found("SecretsUsedInArgOrEnv", text, written, places.word(written.location, name))


def _expose(written: model.Instruction, state: State, places: Places) -> Iterator[Found]:
    assert isinstance(written, model.Expose)
    for word in written.ports:
        expander = Expander(word, state.scope.variables, escape=state.scope.escape)
        expander.whole()
        for text in expander.words:
            port = ports.read(text)
            place = places.word(written.location, word)
            if port.protocol != port.protocol.lower():
                yield found("ExposeProtoCasing", f"write {port.protocol.lower()} in {text}", written, place)
            if port.has_host:
                yield found("ExposeInvalidFormat", f"{text}: leave what stands before the last : out", written, place)


def _ignored(
    made: model.Copy | model.Add, written: model.Instruction, ignore: IgnoreRules, places: Places
) -> Iterator[Found]:
    """What `!` may bring back is not decided here, as BuildKit doesn't."""
    if ignore.brings_back or (isinstance(made, model.Copy) and made.from_ is not None):
        return
    for source in made.sources:
        path = posixpath.normpath(source)
        if _URL.match(source) or (path in (".", "/") and not ignore.leaves_out_all):
            continue
        if ignore.excludes(path):
            text = f".dockerignore leaves {path} out of the context"
            yield found("CopyIgnoredFile", text, written, places.word(written.location, source))


_CHECKS: dict[type, Callable[..., Iterator[Found]]] = {
    model.Arg: _arg,
    model.Cmd: _command,
    model.Entrypoint: _command,
    model.Env: _pairs,
    model.Label: _pairs,
    model.Shell: _shell,
    model.Workdir: _workdir,
}
