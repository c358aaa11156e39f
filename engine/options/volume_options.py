"""The options of a volume (`docker volume create --opt`), as Docker's driver `local` takes them: type, device, o.

nothing                                    a directory in Portside's home
size=1g                                    the same, which may hold so much
type=tmpfs, device=tmpfs, o=size=64m       a file system in memory
type=none, o=bind, device=/srv/data        a directory of the host
type=nfs, device=:/export, o=addr=…,rw     a directory of a file server
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from engine.errors import InvalidArgument, Unsupported
from engine.options import mounts, values

PLAIN, TMPFS, BIND, NFS = "plain", "tmpfs", "bind", "nfs"
LABELS_MAXIMUM = 200
LIMIT_MINIMUM, LIMIT_MAXIMUM = 1 << 16, 1 << 60
_KEYS = ("type", "device", "o", "size")
_BENEATH = "beneath="
_SIZE = re.compile(r"(\d{1,19})\s*([kmgt]?)i?b?", re.IGNORECASE)
_UNITS = {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}


@dataclass(frozen=True, slots=True)
class Kind:
    """`device` is the host's directory of a bind, or an NFS export; `options` those of the file system.

    `limit_bytes`: what a directory in the home may hold, None for as much as there is. `root`: a directory of the host
    that a bind is opened from, and no link on the way is followed (o=bind,beneath=/srv).
    """

    name: str
    device: str = ""
    options: tuple[str, ...] = ()
    limit_bytes: int | None = None
    root: str = ""


def read(options: Mapping[str, str]) -> Kind:
    """What they ask for. Raises InvalidArgument with the field driver_opts, or Unsupported."""
    for key in options:
        if key not in _KEYS:
            raise _bad(f"{key[:30]!r} is no option of a local volume: type, device, o and size are")
    kind, device = options.get("type", "").lower(), options.get("device", "")
    words = tuple(word for word in options.get("o", "").split(",") if word)
    limit = size(options["size"]) if options.get("size") else None
    if not any(value for key, value in options.items() if key != "size"):
        return Kind(PLAIN, limit_bytes=limit)
    if limit is not None:
        raise _bad("size is of a volume without other options; of one in memory write o=size=…")
    if kind == "tmpfs":
        values.tmpfs(f"/x:{','.join(words)}")  # the same words as --tmpfs
        return Kind(TMPFS, options=words)
    if kind in ("none", "bind", "") and ("bind" in words or "rbind" in words or kind == "bind"):
        return _bind(_directory(device), words)
    if kind in ("nfs", "nfs4"):
        if ":" not in device:
            raise _bad("device: give what the file server exports, such as :/export, and its address by o=addr=…")
        return Kind(NFS, device, (f"type={kind}", *words))
    raise Unsupported(
        f"driver_opts: type {kind[:30]!r} is not supported: tmpfs, nfs, and none with o=bind are",
        {"field": "driver_opts"},
    )


def size(text: str) -> int:
    """Bytes of "64m" or "1073741824". Raises InvalidArgument with the field driver_opts."""
    found = _SIZE.fullmatch(text.strip())
    number = int(found[1]) << _UNITS[found[2].lower()] if found else 0
    if not LIMIT_MINIMUM <= number <= LIMIT_MAXIMUM:
        raise _bad(f"size {text[:30]!r}: give bytes, or such as 64m or 10g; 64k is the least")
    return number


def mount(text: str) -> mounts.Mount:
    """`mounts.mount`, with the options of its volume looked at too. Raises InvalidArgument, Unsupported."""
    found = mounts.mount(text)
    read(found.driver_opts)
    return found


def problems(name: str, driver: str, options: Mapping[str, str], labels: Mapping[str, str]) -> list[tuple[str, str]]:
    """(field, sentence) of all that is wrong with a new volume; `name` may be empty."""
    found = []
    if name and not mounts.NAME.fullmatch(name):
        found.append(("name", "Use 2 to 128 letters, digits, '_', '.' and '-', beginning with a letter or digit."))
    if driver not in ("", mounts.LOCAL):
        found.append(("driver", f"There is no volume driver {driver[:40]!r} here: leave it out for local."))
    try:
        read(options)
    except (InvalidArgument, Unsupported) as error:
        found.append(("driver_opts", error.message.removeprefix("driver_opts: ")))
    if len(labels) > LABELS_MAXIMUM:
        found.append(("labels", f"Give at most {LABELS_MAXIMUM} entries."))
    if any(not key or "\0" in key + value for key, value in labels.items()):
        found.append(("labels", "A label has a name, and no zero bytes."))
    return found


def reaches_out(options: Mapping[str, str]) -> str:
    """What of the host or of the network it opens to containers, in words; empty for nothing."""
    try:
        kind = read(options)
    except (InvalidArgument, Unsupported):
        return ""
    if kind.name == BIND:
        return f"the host's {kind.device}"
    return f"the file server's {kind.device}" if kind.name == NFS else ""


def beneath(options: Mapping[str, str], root: str) -> dict[str, str]:
    """The options of a bind, opened from `root` from now on. Raises InvalidArgument if its name can't stand there."""
    if "," in root:
        raise _bad(f"no volume can be made below {root}, whose name has a comma: bind it into the container itself")
    words = [word for word in options.get("o", "").split(",") if word and not word.startswith(_BENEATH)]
    return {**options, "o": ",".join([*words, f"{_BENEATH}{root}"])}


def _bind(device: str, words: tuple[str, ...]) -> Kind:
    roots = [_directory(word.removeprefix(_BENEATH)) for word in words if word.startswith(_BENEATH)]
    for root in roots:
        if device != root and not device.startswith(f"{root.rstrip('/')}/"):
            raise _bad(f"device {device} does not lie beneath {root}")
    return Kind(BIND, device, tuple(word for word in words if word == "ro"), root=roots[0] if roots else "")


def _directory(device: str) -> str:
    if not device.startswith("/") or "\0" in device:
        raise _bad("device: give an absolute path of the host")
    return "/" + posixpath.normpath(device).lstrip("/")


def _bad(message: str) -> InvalidArgument:
    return InvalidArgument(f"driver_opts: {message}", {"field": "driver_opts"})
