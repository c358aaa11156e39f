"""`RUN --mount=…` and `RUN --device=…`: lists of key=value, separated by commas, quoted as in CSV files."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

from engine.build.language import values
from engine.build.language.model import Device, Mount
from engine.build.language.source import DockerfileError
from engine.build.language.suggestions import or_nearest

TYPES = ("bind", "cache", "tmpfs", "secret", "ssh")
SHARING = ("shared", "private", "locked")
_NAMES = {
    "type": "type", "from": "from_", "source": "source", "src": "source", "target": "target", "dst": "target",
    "destination": "target", "readonly": "readonly", "ro": "readonly", "readwrite": "readwrite", "rw": "readwrite",
    "required": "required", "size": "size", "id": "id", "sharing": "sharing", "mode": "mode", "uid": "uid",
    "gid": "gid", "env": "env",
}  # fmt: skip
_ALONE = ("readonly", "ro", "readwrite", "rw", "required")
Expand = Callable[[str], str]


def fields(text: str) -> list[str]:
    """One record of a CSV file (RFC 4180). Raises `DockerfileError`."""
    found: list[str] = []
    if not text:
        raise DockerfileError("it is empty: write key=value, separated by commas")
    at = 0
    while True:
        if text.startswith('"', at):
            field, at = _quoted(text, at + 1)
        else:
            end = text.find(",", at)
            end = len(text) if end < 0 else end
            field, at = text[at:end], end
            if '"' in field:
                raise DockerfileError(f"a quote in the middle of {field[:40]!r}: put the whole part into quotes")
        found.append(field)
        if at == len(text):
            return found
        at += 1


def _quoted(text: str, at: int) -> tuple[str, int]:
    pieces: list[str] = []
    while True:
        end = text.find('"', at)
        if end < 0:
            raise DockerfileError(f"a quote is not closed in {text[:40]!r}")
        pieces.append(text[at:end])
        at = end + 1
        if text.startswith('"', at):
            pieces.append('"')
            at += 1
        elif at == len(text) or text[at] == ",":
            return "".join(pieces), at
        else:
            raise DockerfileError(f"something follows a closing quote in {text[:40]!r}: a comma is missing")


def read(text: str, expand: Expand | None) -> Mount:
    """The mount that `text` describes. Without `expand`, values with a variable stay as they are or are left out.

    Raises `DockerfileError`, without a place.
    """
    given: dict[str, Any] = {}
    is_whole = True
    mount = Mount(type="bind")
    for part in fields(text):
        key, equals, value = part.partition("=")
        key = key.lower()
        name = _NAMES.get(key)
        if name is None or (not equals and key not in _ALONE):
            what = f"{key[:40]!r} is unknown" if name is None else f"{key!r} needs a value"
            raise DockerfileError(f"--mount: {what}{or_nearest(key, _NAMES)}: known are {', '.join(_NAMES)}")
        if expand is not None:
            value = expand(value)
        elif "$" in value[:-1] and name == "from_":
            raise DockerfileError(
                "--mount: from can't have a variable: FROM can, so give a stage of its own a name and use that"
            )
        elif any(mark in value for mark in "$\\`'\""):
            is_whole = False
            if name not in ("source", "target", "id", "env"):
                continue
        if name == "readwrite":
            given["readonly"] = not _typed(key, "readonly", value, bool(equals), mount.type)
        else:
            given[name] = _typed(key, name, value, bool(equals), str(given.get("type", "bind")))
        if name == "type":
            mount = Mount(type=given["type"])
    given.setdefault("readonly", given.get("type", "bind") not in ("cache", "tmpfs"))
    made = dataclasses.replace(mount, **given)
    if is_whole:
        _check(made)
    return made


def _typed(key: str, name: str, value: str, has_value: bool, kind: str) -> Any:
    """The value of one key, as far as it stands alone."""
    if (name == "required" and kind not in ("secret", "ssh")) or (name == "size" and kind != "tmpfs"):
        raise DockerfileError(f"--mount: {key} does not go with type={kind} (the type has to stand before it)")
    if name == "type":
        return _one_of("--mount: type", value, TYPES)
    if name == "sharing":
        return _one_of("--mount: sharing", value, SHARING)
    try:
        if name in ("readonly", "required"):
            return values.truth(value) if has_value else True
        if name == "size":
            return values.size_bytes(value)
        if name in ("mode", "uid", "gid"):
            return values.whole_number(value, 8 if name == "mode" else 10)
    except ValueError:
        wanted = {"size": "a size such as 64m", "mode": "octal digits"}.get(name, "a number")
        wanted = "true or false" if name in ("readonly", "required") else wanted
        raise DockerfileError(f"--mount: {key} has to be {wanted}, not {value[:40]!r}") from None
    return value


def _one_of(what: str, value: str, known: tuple[str, ...]) -> str:
    if value.lower() not in known:
        raise DockerfileError(f"{what} is one of {', '.join(known)}, not {value[:40]!r}{or_nearest(value, known)}")
    return value.lower()


def _check(mount: Mount) -> None:
    """What the parts of a mount rule out together."""
    kind = mount.type
    for name in ("mode", "uid", "gid"):
        if getattr(mount, name) is not None and kind not in ("secret", "ssh", "cache"):
            raise DockerfileError(f"--mount: {name} does not go with type={kind}")
    if kind == "secret":
        if mount.from_:
            raise DockerfileError("--mount: a secret has no from")
        if mount.sharing:
            raise DockerfileError("--mount: a secret has no sharing")
        if not (mount.source or mount.target or mount.id):
            raise DockerfileError("--mount: a secret needs an id, a source or a target")
        if mount.source and mount.id:
            raise DockerfileError("--mount: of a secret's id and source only one can be given: they mean the same")
    elif mount.sharing and kind != "cache":
        raise DockerfileError(f"--mount: sharing does not go with type={kind}, only with cache")


def device(text: str) -> Device:
    """Raises `DockerfileError`, without a place."""
    name, required = "", False
    for part in fields(text):
        key, equals, value = part.partition("=")
        key = key.lower()
        if key == "required":
            try:
                required = values.truth(value) if equals else True
            except ValueError:
                raise DockerfileError(f"--device: required has to be true or false, not {value[:40]!r}") from None
        elif key == "name" and equals:
            if name:
                raise DockerfileError(f"--device: the name is {name[:60]!r} already")
            name = value
        elif not name:
            name = part
        else:
            hint = or_nearest(key, ("name", "required"))
            raise DockerfileError(f"--device: {part[:40]!r} is unknown{hint}: a name and required can be given")
    return Device(name, required)
