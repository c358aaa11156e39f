"""One file of a volume as it is told."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

FILE, DIRECTORY, LINK, PIPE, SOCKET, DEVICE = "file", "directory", "link", "pipe", "socket", "device"
_KINDS = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: LINK,
    stat.S_IFIFO: PIPE,
    stat.S_IFSOCK: SOCKET,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`name` is the last of its path, empty for the volume itself, with bytes that are no UTF-8 as lone surrogates.

    `size` in bytes; `mode` the twelve bits of chmod(2); `modified` in seconds since 1970; `uid` and `gid` as containers
    see them; `links` how many names the file has; `etag` differs once its content does. Of a link: `target` its text,
    `leads_to` the kind of what it leads to inside of the volume, None if it leads nowhere or out.
    """

    name: str
    kind: str
    size: int
    mode: int
    uid: int
    gid: int
    modified: float
    links: int
    etag: str
    target: str | None = None
    leads_to: str | None = None


def of(name: str, found: os.stat_result, target: str | None = None, leads_to: str | None = None) -> Entry:
    return Entry(
        name=name,
        kind=kind_of(found),
        size=found.st_size,
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        modified=found.st_mtime_ns / 1e9,
        links=found.st_nlink,
        etag=etag_of(found),
        target=target,
        leads_to=leads_to,
    )


def kind_of(found: os.stat_result) -> str:
    return _KINDS.get(stat.S_IFMT(found.st_mode), DEVICE)


def etag_of(found: os.stat_result) -> str:
    """Of the inode, its size and when it was last changed (ctime, which nobody can set back)."""
    return f"{found.st_ino:x}-{found.st_size:x}-{found.st_ctime_ns:x}"
