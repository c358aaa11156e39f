"""From an instruction's text to its value: one reader for each of the eighteen.

A reader gets the text after the keyword and the flags, and raises `DockerfileError` at the word that is wrong.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any

from engine.build.language import heredocs, model, mounts, values, words
from engine.build.language.flags import SWITCH, VALUE, VALUES, Flags
from engine.build.language.line import Line, command, json_words, listed, split
from engine.build.language.lines import BLANKS
from engine.build.language.source import DockerfileError
from engine.build.language.suggestions import or_nearest
from engine.build.language.words import Word
from engine.oci import durations

_STAGE = re.compile(r"[a-z][a-z0-9-_.]*")
_RETRIES_MOST = (1 << 31) - 1
_SHORTEST_SECONDS = 0.001


def read(line: Line) -> model.Instruction:
    """Raises `DockerfileError`."""
    reader = _READERS.get(line.name)
    if reader is None:
        known = or_nearest(line.name, _READERS, ignore_case=True)
        known = known or f": if it belongs to the line above, let that end with {line.escape}"
        raise line.fail(f"there is no instruction {line.keyword.text[:40]!r}{known}")
    return reader(line)


def _from(line: Line) -> model.From:
    parts = words.spaced(line.rest)
    stage = written = as_written = None
    if len(parts) == 3 and parts[1].text.lower() == "as":
        as_written, written = parts[1].text, parts[2].text
        stage = written.lower()
        if not _STAGE.fullmatch(stage):
            raise line.fail(
                f"{written[:60]!r} can't be a stage's name: it begins with a letter, and has letters, digits, '-', '_' "
                "and '.'", parts[2],
            )  # fmt: skip
    elif len(parts) != 1:
        has_as = len(parts) > 1 and parts[1].text.lower() == "as"
        odd = parts[3 if has_as and len(parts) > 3 else 1] if len(parts) > 1 else None
        if has_as and len(parts) == 2:
            raise line.fail(f"a name for the stage is missing after {parts[1].text}", odd)
        raise line.fail("FROM is written FROM image, or FROM image AS name", odd)
    flags = line.flags(platform=VALUE)
    return model.From(
        base=parts[0].text,
        platform=flags.value("platform"),
        stage=stage,
        stage_written=written,
        as_written=as_written,
        **line.common,
    )


def _arg(line: Line) -> model.Arg:
    found = words.quoted(line.rest, line.escape)
    if not found:
        raise line.fail("ARG needs a name after it: ARG name or ARG name=default")
    pairs: list[tuple[str, str | None]] = []
    for word in found:
        name, equals, value = word.text.partition("=")
        if equals and not name:
            raise line.fail("the name before the = is missing", word)
        pairs.append((name, value if equals else None))
    return model.Arg(pairs=tuple(pairs), **line.common)


def _pairs(line: Line) -> tuple[tuple[tuple[str, str], ...], bool]:
    """(names and values, whether they are written in the old form without =)."""
    line.flags()
    found = words.quoted(line.rest, line.escape)
    if not found:
        raise line.fail(f"{line.name} needs name=value after it")
    if "=" not in found[0].text:
        name, value = words.halves(line.rest)
        if value is None:
            raise line.fail(f"{line.name} {name.text[:40]} has no value: write {name.text[:40]}=value", name)
        return ((name.text, value.text),), True
    pairs: list[tuple[str, str]] = []
    for word in found:
        key, equals, text = word.text.partition("=")
        if not equals:
            raise line.fail(
                f"{word.text[:40]!r} has no =: write name=value, and put a value with blanks into quotes", word
            )
        if not key:
            raise line.fail("the name before the = is missing", word)
        pairs.append((key, text))
    return tuple(pairs), False


def _env(line: Line) -> model.Env:
    pairs, is_legacy = _pairs(line)
    return model.Env(pairs=pairs, is_legacy=is_legacy, **line.common)


def _label(line: Line) -> model.Label:
    pairs, is_legacy = _pairs(line)
    return model.Label(pairs=pairs, is_legacy=is_legacy, **line.common)


def _run(line: Line) -> model.Run:
    flags = line.flags(mount=VALUES, network=VALUE, security=VALUE, device=VALUES)
    found: list[model.Mount] = []
    devices: list[model.Device] = []
    for name, reader, into in (
        ("mount", lambda text: mounts.read(text, None), found),
        ("device", mounts.device, devices),
    ):
        for value, word in flags.given.get(name, ()):
            try:
                into.append(reader(value))  # type: ignore[arg-type]
            except DockerfileError as error:
                raise error.at(line.text.location(word.start, word.end)) from None
    return model.Run(
        command=command(line.rest),
        mounts=tuple(found),
        network=_choice(line, flags, "network", ("default", "none", "host")),
        security=_choice(line, flags, "security", ("sandbox", "insecure")),
        devices=tuple(devices),
        files=line.documents,
        mount_words=flags.values("mount"),
        **line.common,
    )


def _choice(line: Line, flags: Flags, name: str, known: tuple[str, ...]) -> str:
    """A flag that is one of some words; the first if it isn't given."""
    if name not in flags.given:
        return known[0]
    value, word = flags.given[name][0]
    if value not in known:
        hint = or_nearest(value, known)
        raise line.text.error(f"--{name} is one of {', '.join(known)}, not {value[:40]!r}{hint}", word.start, word.end)
    return value


def _cmd(line: Line) -> model.Cmd:
    line.flags()
    return model.Cmd(command=command(line.rest), **line.common)


def _entrypoint(line: Line) -> model.Entrypoint:
    line.flags()
    return model.Entrypoint(command=command(line.rest), **line.common)


def _shell(line: Line) -> model.Shell:
    line.flags()
    found = json_words(line.rest)
    if not found:
        example = 'SHELL ["/bin/bash", "-c"]'
        raise line.fail(f"SHELL is written as a list in JSON, such as {example}")
    return model.Shell(argv=tuple(found), **line.common)


def _transfer(line: Line) -> dict[str, Any]:
    """Sources, destination and documents."""
    parts = listed(line)
    if len(parts) < 2:
        raise line.fail(f"{line.name} needs a source and a destination, in this order", parts[0] if parts else None)
    if heredocs.is_name(parts[-1].text):
        raise line.fail("a here-document is a source: the destination has to follow it", parts[-1])
    known = {document.name: document for document in line.documents}
    sources: list[str] = []
    documents: list[model.HereDocument] = []
    for part in parts[:-1]:
        named = heredocs.is_name(part.text)
        if named is None:
            sources.append(part.text)
        else:
            text = known[named.name].text if named.name in known else ""
            documents.append(model.HereDocument(named.name, text, named.expands, named.strips_tabs))
    return {"sources": tuple(sources), "destination": parts[-1].text, "documents": tuple(documents), **line.common}


def _copy(line: Line) -> model.Copy:
    common = _transfer(line)
    flags = line.flags(**{"from": VALUE}, chown=VALUE, chmod=VALUE, link=SWITCH, parents=SWITCH, exclude=VALUES)
    source = flags.value("from")
    if source is not None and "$" in source:
        word = flags.word("from")
        raise line.text.error(
            "--from can't have a variable: FROM can, so give a stage of its own a name and use that",
            word.start,
            word.end,
        )
    return model.Copy(
        from_=source,
        chown=flags.value("chown"),
        chmod=flags.value("chmod"),
        link=bool(flags.switch("link")),
        parents=bool(flags.switch("parents")),
        exclude=flags.values("exclude"),
        **common,
    )


def _add(line: Line) -> model.Add:
    common = _transfer(line)
    flags = line.flags(
        chown=VALUE, chmod=VALUE, link=SWITCH, keep_git_dir=SWITCH, checksum=VALUE, unpack=SWITCH, exclude=VALUES
    )
    return model.Add(
        chown=flags.value("chown"),
        chmod=flags.value("chmod"),
        link=bool(flags.switch("link")),
        exclude=flags.values("exclude"),
        checksum=flags.value("checksum"),
        keep_git_dir=flags.switch("keep-git-dir"),
        unpack=flags.switch("unpack"),
        **common,
    )


def _expose(line: Line) -> model.Expose:
    line.one("a port")
    line.flags()
    return model.Expose(ports=tuple(sorted(word.text for word in words.spaced(line.rest))), **line.common)


def _volume(line: Line) -> model.Volume:
    parts = listed(line)
    if not parts:
        raise line.fail("VOLUME needs a path after it")
    line.flags()
    for part in parts:
        if not part.text.strip(BLANKS):
            raise line.fail("a volume's path can't be empty", part)
    return model.Volume(paths=tuple(part.text.strip(BLANKS) for part in parts), **line.common)


def _user(line: Line) -> model.User:
    user = line.one("a user")
    line.flags()
    return model.User(user=user, **line.common)


def _workdir(line: Line) -> model.Workdir:
    path = line.one("a path")
    line.flags()
    return model.Workdir(path=path, **line.common)


def _stop_signal(line: Line) -> model.StopSignal:
    return model.StopSignal(signal=line.one("a signal"), **line.common)


def _maintainer(line: Line) -> model.Maintainer:
    name = line.one("a name")
    line.flags()
    return model.Maintainer(name=name, **line.common)


def _onbuild(line: Line) -> model.Onbuild:
    if not line.rest.text:
        raise line.fail("ONBUILD needs an instruction after it")
    line.flags()
    text, keyword, flag_words, rest = split(line.rest, line.escape)
    if keyword.text.upper() in ("ONBUILD", "FROM", "MAINTAINER"):
        raise line.fail(f"ONBUILD can't have {keyword.text.upper()} after it", keyword)
    # BuildKit finds what is wrong with a trigger only where the image is used.
    read(dataclasses.replace(line, text=text, keyword=keyword, flag_words=flag_words, rest=rest))
    trigger = line.rest.text + line.tail
    for document in line.documents:
        trigger += f"\n{document.text}{document.name}"
    return model.Onbuild(trigger=trigger, **line.common)


def _healthcheck(line: Line) -> model.Healthcheck:
    if not line.rest.text:
        raise line.fail("HEALTHCHECK needs NONE, or CMD and a command, after it")
    form = re.match(f"[^{BLANKS}]+", line.rest.text)
    assert form is not None  # the rest has no blanks at its beginning
    kind = Word(form[0], 0, form.end())
    after = line.rest.part(form.end(), len(line.rest.text)).stripped()
    test = command(after)
    if kind.text.upper() == "NONE":
        if test.argv:
            raise line.fail(
                "HEALTHCHECK NONE has nothing after it",
                Word(after.text, len(line.rest.text) - len(after.text), len(line.rest.text)),
            )
        return model.Healthcheck(command=None, **line.common)
    flags = line.flags(interval=VALUE, timeout=VALUE, start_period=VALUE, start_interval=VALUE, retries=VALUE)
    if kind.text.upper() != "CMD":
        hint = or_nearest(kind.text, ("CMD", "NONE"), ignore_case=True) or ": write CMD before the command"
        raise line.fail(f"HEALTHCHECK has CMD or NONE after its flags, not {kind.text[:40]!r}{hint}", kind)
    if not test.argv:
        raise line.fail("HEALTHCHECK CMD needs a command after it", kind)
    return model.Healthcheck(
        command=test,
        interval=_seconds(line, flags, "interval"),
        timeout=_seconds(line, flags, "timeout"),
        start_period=_seconds(line, flags, "start-period"),
        start_interval=_seconds(line, flags, "start-interval"),
        retries=_retries(line, flags),
        **line.common,
    )


def _seconds(line: Line, flags: Flags, name: str) -> float | None:
    if not flags.value(name):
        return None
    value, word = flags.given[name][0]
    try:
        found = durations.seconds(value)
    except ValueError:
        raise line.text.error(
            f"--{name} is a time such as 30s or 1m30s, not {value[:40]!r}", word.start, word.end
        ) from None
    if found != 0 and found < _SHORTEST_SECONDS:
        raise line.text.error(f"--{name} can't be less than 1ms", word.start, word.end)
    return found or None


def _retries(line: Line, flags: Flags) -> int | None:
    if not flags.value("retries"):
        return None
    value, word = flags.given["retries"][0]
    try:
        return values.whole_number(value.removeprefix("+"), most=_RETRIES_MOST) or None
    except ValueError:
        raise line.text.error(f"--retries is a number, 0 or more, not {value[:40]!r}", word.start, word.end) from None


_READERS: dict[str, Callable[[Line], model.Instruction]] = {
    "ADD": _add,
    "ARG": _arg,
    "CMD": _cmd,
    "COPY": _copy,
    "ENTRYPOINT": _entrypoint,
    "ENV": _env,
    "EXPOSE": _expose,
    "FROM": _from,
    "HEALTHCHECK": _healthcheck,
    "LABEL": _label,
    "MAINTAINER": _maintainer,
    "ONBUILD": _onbuild,
    "RUN": _run,
    "SHELL": _shell,
    "STOPSIGNAL": _stop_signal,
    "USER": _user,
    "VOLUME": _volume,
    "WORKDIR": _workdir,
}
