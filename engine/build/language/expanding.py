"""An instruction with its variables replaced, where the language replaces any.

    ADD, COPY      sources, destination, --chown, --chmod, --checksum; documents whose names were not quoted
    ARG            values, each seeing those before it     ENV, LABEL   names and values
    EXPOSE         all, then split into words              FROM         base and --platform, from the global arguments
    RUN            values of --mount but from              STOPSIGNAL, USER, VOLUME, WORKDIR   all

In the others ($ in CMD, ENTRYPOINT, the command of RUN and HEALTHCHECK, SHELL, ONBUILD) variables are the shell's
business, or nobody's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from engine.build.language import model, mounts, ports
from engine.build.language.expansion import Expander
from engine.build.language.source import DockerfileError
from engine.build.language.suggestions import or_nearest
from engine.oci import signals

_PORTS_MOST = len(ports.PROTOCOLS) * (ports.HIGHEST + 1)


def expanded(
    instruction: model.Instruction,
    variables: Mapping[str, str],
    *,
    escape: str = "\\",
    missing: set[str] | None = None,
) -> model.Instruction:
    """`instruction` with the values of `variables`; what has no value becomes nothing, and is added to `missing`.

    `escape` is the Dockerfile's (`directives.escape`). What can be checked only now is: mounts, ports, signals, empty
    volumes. Raises `DockerfileError` at the instruction.
    """
    reader = _BY_TYPE.get(type(instruction))
    if reader is None:
        return instruction
    try:
        return reader(instruction, _Variables(variables, escape, missing if missing is not None else set()))
    except DockerfileError as error:
        raise error.at(instruction.location) from None


@dataclasses.dataclass(frozen=True, slots=True)
class _Variables:
    values: Mapping[str, str]
    escape: str
    missing: set[str]

    def __call__(self, word: str) -> str:
        expander = Expander(word, self.values, escape=self.escape)
        result = expander.whole()
        self.missing.update(expander.missing)
        return result

    def maybe(self, word: str | None) -> str | None:
        return None if word is None else self(word) or None

    def words(self, word: str) -> list[str]:
        expander = Expander(word, self.values, escape=self.escape)
        expander.whole()
        self.missing.update(expander.missing)
        return expander.words

    def document(self, document: model.HereDocument) -> model.HereDocument:
        """Its text without tabs where they go, and with values where they come."""
        text = document.content
        if document.expands:
            expander = Expander(text, self.values, process_quotes=False)
            text = expander.whole()
            self.missing.update(expander.missing)
        return model.HereDocument(document.name, text, expands=False, strips_tabs=False)


def _transfer(one: model.Copy | model.Add, values: _Variables) -> model.Copy | model.Add:
    made = dataclasses.replace(
        one,
        sources=tuple(map(values, one.sources)),
        destination=values(one.destination),
        chown=values.maybe(one.chown),
        chmod=values.maybe(one.chmod),
        documents=tuple(map(values.document, one.documents)),
    )
    return dataclasses.replace(made, checksum=values.maybe(made.checksum)) if isinstance(made, model.Add) else made


def _arg(one: model.Arg, values: _Variables) -> model.Arg:
    known = dict(values.values)
    pairs: list[tuple[str, str | None]] = []
    for name, default in one.pairs:
        value = None if default is None else dataclasses.replace(values, values=known)(default)
        if value is not None:
            known[name] = value
        pairs.append((name, value))
    return dataclasses.replace(one, pairs=tuple(pairs))


def _pairs(one: model.Env | model.Label, values: _Variables) -> model.Env | model.Label:
    return dataclasses.replace(one, pairs=tuple((values(name), values(value)) for name, value in one.pairs))


def _expose(one: model.Expose, values: _Variables) -> model.Expose:
    found = [ports.read(port) for word in one.ports for port in values.words(word)]
    if sum(port.last - port.first for port in found) > _PORTS_MOST:
        raise DockerfileError("more ports are named than there are")
    return dataclasses.replace(one, ports=tuple(dict.fromkeys(name for port in found for name in port.names())))


def _from(one: model.From, values: _Variables) -> model.From:
    base = values(one.base)
    if not base:
        raise DockerfileError(f"the image to begin with, {one.base}, comes out empty: give its ARG a default")
    platform = values.maybe(one.platform)
    if one.platform is not None and platform is None:
        raise DockerfileError(f"the platform, {one.platform}, comes out empty: give its ARG a default")
    return dataclasses.replace(one, base=base, platform=platform)


def _run(one: model.Run, values: _Variables) -> model.Run:
    return dataclasses.replace(one, mounts=tuple(mounts.read(text, values) for text in one.mount_words))


def _stop_signal(one: model.StopSignal, values: _Variables) -> model.StopSignal:
    signal = values(one.signal)
    if not signals.is_signal(signal):
        hint = or_nearest(signal, signals.names(), ignore_case=True)
        raise DockerfileError(f"{signal[:40]!r} is no signal{hint}: write a name such as SIGTERM, or a number")
    return dataclasses.replace(one, signal=signal)


def _user(one: model.User, values: _Variables) -> model.User:
    return dataclasses.replace(one, user=values(one.user))


def _volume(one: model.Volume, values: _Variables) -> model.Volume:
    paths = tuple(map(values, one.paths))
    if not all(paths):
        raise DockerfileError("a volume's path comes out empty")
    return dataclasses.replace(one, paths=paths)


def _workdir(one: model.Workdir, values: _Variables) -> model.Workdir:
    return dataclasses.replace(one, path=values(one.path))


_BY_TYPE: dict[type[model.Instruction], Callable[..., model.Instruction]] = {
    model.Add: _transfer,
    model.Arg: _arg,
    model.Copy: _transfer,
    model.Env: _pairs,
    model.Expose: _expose,
    model.From: _from,
    model.Label: _pairs,
    model.Run: _run,
    model.StopSignal: _stop_signal,
    model.User: _user,
    model.Volume: _volume,
    model.Workdir: _workdir,
}
