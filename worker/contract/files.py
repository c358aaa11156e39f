"""Files of a volume: what a host is asked, and the sessions that carry a file's bytes.

The subject is the volume's name. A `path` goes from the volume's own directory; bytes of it that are no UTF-8 are lone
surrogates (PEP 383). A file is told as the engine's `Entry`: name, kind, size, mode, uid, gid, modified, links, etag,
and target and leads_to of a link.

    question               answer
    files.list             {"entry", "entries": [Entry…] or null, "offset", "total", "is_cut"}; null for no directory
    files.make_directory   Entry                files.move   Entry                files.own   Entry

    session       OPENED                                       END
    files.read    {"entry", "offset", "length" or null}, DATA  {}
    files.pack    {"stat", "header"}, DATA                     {}
    files.write   {}                                           {"entry"}: all input was taken, and is in its place
    files.remove  {}                                           {}
    files.own     {}                                           {"entry"}: all below has its owner, which may take long
"""

from __future__ import annotations

from dataclasses import dataclass

LIST, MAKE_DIRECTORY, MOVE, OWN = "files.list", "files.make_directory", "files.move", "files.own"
READ, WRITE, REMOVE, PACK = "files.read", "files.write", "files.remove", "files.pack"
SORTS = ("name", "size", "modified", "owner", "mode")
PAGE_MAXIMUM = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFiles:
    """`sort` is one of SORTS; directories come first either way."""

    path: str
    sort: str = "name"
    is_descending: bool = False
    offset: int = 0
    limit: int = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class MakeDirectory:
    """`parents`: those on the way are made too, and it may be there."""

    path: str
    parents: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveFile:
    path: str
    to: str
    overwrite: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnFile:
    """None leaves it as it is. The session gives all that is below `path` the same owner, which the question leaves."""

    path: str
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """Bytes `first` to `last`, both included; a `first` below zero counts from the end. `etag`: the part is wanted of
    this content alone, of any other the whole."""

    path: str
    first: int | None = None
    last: int | None = None
    etag: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFile:
    """`etag`: it replaces just this content; `is_new`: nothing. `parents`: missing directories are made."""

    path: str
    etag: str | None = None
    is_new: bool = False
    parents: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFile:
    """`recursive`: a directory with all that is in it."""

    path: str
    recursive: bool = False
