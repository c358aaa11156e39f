"""What is to be mounted into a container, in the words of `docker run`: --volume, --mount and --volumes-from.

Sources: Docker's documentation of the flags (docs.docker.com/reference/cli/docker/container/run), and moby's
volume/mounts/linux_parser.go for what it refuses.
"""

from __future__ import annotations

import csv
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import InvalidArgument, Unsupported
from engine.oci.reference import Reference
from engine.options import places

VOLUME, BIND, TMPFS, IMAGE = "volume", "bind", "tmpfs", "image"
LOCAL = "local"
PRIVATE = "rprivate"
PROPAGATIONS = ("private", "rprivate", "slave", "rslave", "shared", "rshared")
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{1,127}")
IMAGE_ID = re.compile(r"sha256:[0-9a-f]{64}")
_CONTAINER = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,127}")
_IGNORED = frozenset(("z", "Z", "consistent", "cached", "delegated", "default"))
"""Words about SELinux labels and about other systems, which change nothing here."""
_RECURSIVE = ("enabled", "disabled", "writable", "readonly")
_YES, _NO = ("1", "true", "t"), ("0", "false", "f")
_SIZE = re.compile(r"[0-9]+[kmgKMG]?[bB]?")
_MODE = re.compile(r"[0-7]{3,4}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mount:
    """`source` is a volume's name, empty for one without, a path of the host, or an image's name or id, whose files
    can only be read; `target` an absolute, clean path.

    `copies`: an empty volume gets what the image has there; `subpath`: a directory of the volume, or a directory or
    file of the image; `creates`: a path of the host that isn't there is made. `propagation` is one of `PROPAGATIONS`;
    `recursive` one of enabled, disabled (without what is mounted below) and writable (which read-only leaves as it
    is). `options` are a tmpfs's.
    """

    kind: str
    target: str
    source: str = ""
    read_only: bool = False
    copies: bool = True
    subpath: str = ""
    creates: bool = False
    propagation: str = PRIVATE
    recursive: str = "enabled"
    driver: str = ""
    driver_opts: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()


def volume(text: str) -> Mount:
    """[SOURCE:]TARGET[:OPTIONS] as --volume takes it. Raises InvalidArgument."""
    parts = text.split(":")
    if len(parts) > 3 or not all(parts):
        raise InvalidArgument(f"{_shown(text)}: give [NAME or /HOST/PATH:]/TARGET[:ro], such as data:/var/lib/data")
    words = parts[2].split(",") if len(parts) == 3 else []
    source, target = (parts[0], parts[1]) if len(parts) > 1 else ("", parts[0])
    if len(parts) == 2 and not target.startswith("/"):
        raise InvalidArgument(f"{_shown(text)}: {target[:40]!r} is no absolute path in the container")
    found = Mount(kind=BIND if source.startswith("/") else VOLUME, source=source, target=_target(target, text))
    _check_place(found, text)
    if found.kind == BIND:
        found = replace(found, source=_host_path(source, text), creates=True, copies=False)
    elif source:
        _check_name(source, text)
    return _with_words(found, words, text)


_ONCE = (("ro", "rw"), ("z", "Z"), PROPAGATIONS, ("nocopy",), ("consistent", "cached", "delegated", "default"))
"""Of each of these a mode has one word at most: which of two would be meant?"""


def _refuse_twice(words: Sequence[str], text: str) -> None:
    """moby's linux_parser.go refuses the same (`invalid mode`)."""
    for kind in _ONCE:
        given = [word for word in words if word in kind]
        if len(given) > 1:
            instead = f"{given[0]} once" if given[0] == given[1] else f"{given[0]} or {given[1]}"
            raise InvalidArgument(f"{_shown(text)}: invalid mode: {','.join(words)[:60]}: give {instead}")


def _with_words(found: Mount, words: list[str], text: str) -> Mount:
    _refuse_twice(words, text)
    changes: dict[str, Any] = {}
    for word in words:
        if word in ("ro", "rw"):
            changes["read_only"] = word == "ro"
        elif word == "nocopy" and found.kind == VOLUME:
            changes["copies"] = False
        elif word in PROPAGATIONS and found.kind == BIND:
            changes["propagation"] = word
        elif word not in _IGNORED:
            raise InvalidArgument(
                f"{_shown(text)}: {word[:30]!r} is no option of a {found.kind}; ro, rw, nocopy (of a volume) and "
                "rslave (of a path of the host) are"
            )
    return replace(found, **changes)


def mount(text: str) -> Mount:
    """type=volume|bind|tmpfs|image,source=…,target=…,… as --mount takes it. Raises InvalidArgument, Unsupported."""
    pairs = _pairs(text)
    kind = next((value for key, value in pairs if key == "type"), VOLUME)
    if kind in ("npipe", "cluster"):
        raise Unsupported(f"{_shown(text)}: mounts of type {kind} are not supported: volume, bind, tmpfs and image are")
    if kind not in (VOLUME, BIND, TMPFS, IMAGE):
        raise InvalidArgument(f"{_shown(text)}: {kind[:30]!r} is no type of mount: volume, bind, tmpfs and image are")
    found: dict[str, Any] = {"kind": kind, "copies": kind == VOLUME}
    for key, value in pairs:
        if key != "type":
            _FIELDS.get(key, _unknown(key))(found, value, text)
    if "target" not in found:
        raise InvalidArgument(f"{_shown(text)}: say where in the container: target=/path")
    return _checked(Mount(**found), text)


def _checked(found: Mount, text: str) -> Mount:
    """What belongs to another type was refused by the key's own reader."""
    _check_place(found, text)
    if found.kind == BIND:
        if not found.source:
            raise InvalidArgument(f"{_shown(text)}: say which path of the host: source=/path")
        found = replace(found, source=_host_path(found.source, text))
    elif found.kind == TMPFS and found.source:
        raise InvalidArgument(f"{_shown(text)}: a tmpfs has no source: leave it out")
    elif found.kind == IMAGE:
        _check_image(found.source, text)
    elif found.source:
        _check_name(found.source, text)
    if found.subpath and not found.source:
        raise InvalidArgument(f"{_shown(text)}: a volume that is made for this container has no volume-subpath yet")
    if found.kind == TMPFS and found.read_only:
        found = replace(found, options=(*found.options, "ro"))
    return found


def images(texts: Sequence[str]) -> list[str]:
    """The images that these --mount show, each once, by their names in the canonical form or their ids."""
    found: dict[str, None] = {}
    for text in texts:
        try:
            one = mount(text)
        except (InvalidArgument, Unsupported):  # that is told elsewhere
            continue
        if one.kind == IMAGE:
            found[canonical(one.source)] = None
    return list(found)


def canonical(image: str) -> str:
    """An image's name as hosts, policies and registries have it; an id as it is. Raises InvalidArgument."""
    return image if IMAGE_ID.fullmatch(image) else str(Reference.parse(image))


def volumes_from(text: str) -> tuple[str, bool]:
    """CONTAINER[:ro|rw] → (its name or id, whether all is read-only). Raises InvalidArgument."""
    name, _, mode = text.partition(":")
    words = [word for word in mode.split(",") if word]
    if not _CONTAINER.fullmatch(name) or any(word not in ("ro", "rw", "z", "Z") for word in words):
        raise InvalidArgument(f"{_shown(text)}: give a container's name or id, with :ro for read-only")
    _refuse_twice(words, text)
    return name, "ro" in words


def targets(volumes: Sequence[str], mounts: Sequence[str]) -> list[str]:
    """Where all these lie in the container, as far as they can be read."""
    found = []
    for read, texts in ((volume, volumes), (mount, mounts)):
        for text in texts:
            try:
                found.append(read(text).target)
            except (InvalidArgument, Unsupported):
                continue
    return found


def target(path: str) -> str:
    """A clean absolute path where a volume can be mounted. Raises InvalidArgument."""
    clean = _target(path, path)
    _check_place(Mount(kind=VOLUME, target=clean), path)
    return clean


def _target(path: str, text: str) -> str:
    if not path.startswith("/") or "\0" in path or ".." in path.split("/"):
        raise InvalidArgument(f"{_shown(text)}: {path[:60]!r} is no absolute path without .. in the container")
    return "/" + posixpath.normpath(path).lstrip("/")


def _check_place(found: Mount, text: str) -> None:
    source = "/" + posixpath.normpath(found.source).lstrip("/") if found.kind == BIND else ""
    if why := places.problem(found.target, source):
        raise InvalidArgument(f"{_shown(text)}: {why}")


def _host_path(path: str, text: str) -> str:
    if not path.startswith("/") or "\0" in path:
        raise InvalidArgument(f"{_shown(text)}: {path[:60]!r} is no absolute path of the host")
    return "/" + posixpath.normpath(path).lstrip("/")


def _check_name(name: str, text: str) -> None:
    if not NAME.fullmatch(name):
        raise InvalidArgument(
            f"{_shown(text)}: {name[:40]!r} is no volume's name: use 2 to 128 letters, digits, '_', '.' and '-'; "
            "a path of the host begins with /"
        )


def _check_image(source: str, text: str) -> None:
    if not source:
        raise InvalidArgument(f"{_shown(text)}: say which image: source=alpine:3")
    try:
        canonical(source)
    except InvalidArgument as error:
        raise InvalidArgument(f"{_shown(text)}: {error.message}") from None


def _pairs(text: str) -> list[tuple[str, str]]:
    """The fields of one line of CSV (RFC 4180), as Docker reads them."""
    if not text or "\n" in text or "\r" in text or "\0" in text:
        raise InvalidArgument(f"{_shown(text)}: give fields such as type=volume,source=data,target=/data")
    try:
        parts = next(csv.reader([text]))
    except csv.Error as error:  # a field of more than 128 KiB
        raise InvalidArgument(f"{_shown(text)}: {error}") from None
    pairs = []
    for part in parts:
        key, sign, value = part.partition("=")
        pairs.append((key.strip().lower(), value if sign else "true"))
    return pairs


Reader = Callable[[dict[str, Any], str, str], None]


def _only(kind: str, key: str, read: Callable[[str], Any], field_name: str) -> Reader:
    """A key of one type of mount (any, if empty)."""

    def reader(found: dict[str, Any], value: str, text: str) -> None:
        if kind and found["kind"] != kind:
            raise InvalidArgument(f"{_shown(text)}: {key} is for mounts of type {kind}")
        try:
            found[field_name] = read(value)
        except ValueError as error:
            raise InvalidArgument(f"{_shown(text)}: {key}: {error}") from None

    return reader


def _pair_of(kind: str, key: str, field_name: str) -> Reader:
    def reader(found: dict[str, Any], value: str, text: str) -> None:
        if found["kind"] != kind:
            raise InvalidArgument(f"{_shown(text)}: {key} is for mounts of type {kind}")
        name, _, content = value.partition("=")
        found[field_name] = {**found.get(field_name, {}), name: content}

    return reader


def _unknown(key: str) -> Reader:
    def reader(_: dict[str, Any], __: str, text: str) -> None:
        raise InvalidArgument(
            f"{_shown(text)}: {key[:30]!r} is no field of a mount; give such as type=volume,source=data,target=/data"
        )

    return reader


def _flag(value: str) -> bool:
    if value.lower() in _YES:
        return True
    if value.lower() in _NO:
        return False
    raise ValueError("give true or false")


def _negated(value: str) -> bool:
    return not _flag(value)


def _one_of(*words: str) -> Callable[[str], str]:
    def read(value: str) -> str:
        if value not in words:
            raise ValueError(f"choose {', '.join(words[:-1])} or {words[-1]}")
        return value

    return read


def _recursive(value: str) -> str:
    found = _one_of(*_RECURSIVE)(value)
    return "enabled" if found == "readonly" else found


def _nonrecursive(value: str) -> str:
    return "disabled" if _flag(value) else "enabled"


def _subpath(value: str) -> str:
    if value.startswith("/") or not value or "\0" in value or ".." in value.split("/"):
        raise ValueError("give a path that begins in it, without .. and without / in front")
    return value


def _driver(value: str) -> str:
    if value and value != LOCAL:
        raise ValueError(f"there is no volume driver {value[:40]!r} here: leave it out for {LOCAL}")
    return value


def _tmpfs_option(key: str, pattern: re.Pattern[str], word: str) -> Reader:
    def reader(found: dict[str, Any], value: str, text: str) -> None:
        if found["kind"] != TMPFS:
            raise InvalidArgument(f"{_shown(text)}: {key} is for mounts of type {TMPFS}")
        if not pattern.fullmatch(value):
            raise InvalidArgument(f"{_shown(text)}: {key}: {value[:30]!r} can't be; {word}=… takes 64m or 1777")
        found["options"] = (*found.get("options", ()), f"{word}={value.rstrip('bB')}")

    return reader


def _nothing(_: dict[str, Any], __: str, ___: str) -> None:
    """A field that means nothing on Linux."""


def _target_field(found: dict[str, Any], value: str, text: str) -> None:
    found["target"] = _target(value, text)


_FIELDS: dict[str, Reader] = {
    **dict.fromkeys(("source", "src"), _only("", "source", str, "source")),
    **dict.fromkeys(("target", "dst", "destination"), _target_field),
    **dict.fromkeys(("readonly", "ro"), _only("", "readonly", _flag, "read_only")),
    "consistency": _nothing,
    "bind-propagation": _only(BIND, "bind-propagation", _one_of(*PROPAGATIONS), "propagation"),
    "bind-recursive": _only(BIND, "bind-recursive", _recursive, "recursive"),
    "bind-nonrecursive": _only(BIND, "bind-nonrecursive", _nonrecursive, "recursive"),
    "bind-create-src": _only(BIND, "bind-create-src", _flag, "creates"),
    "bind-create-host-path": _only(BIND, "bind-create-host-path", _flag, "creates"),
    "volume-nocopy": _only(VOLUME, "volume-nocopy", _negated, "copies"),
    "volume-subpath": _only(VOLUME, "volume-subpath", _subpath, "subpath"),
    "volume-driver": _only(VOLUME, "volume-driver", _driver, "driver"),
    "volume-opt": _pair_of(VOLUME, "volume-opt", "driver_opts"),
    "volume-label": _pair_of(VOLUME, "volume-label", "labels"),
    "image-subpath": _only(IMAGE, "image-subpath", _subpath, "subpath"),
    "tmpfs-size": _tmpfs_option("tmpfs-size", _SIZE, "size"),
    "tmpfs-mode": _tmpfs_option("tmpfs-mode", _MODE, "mode"),
}


def _shown(text: str) -> str:
    return repr(text[:80])
