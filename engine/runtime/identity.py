"""Who a container's process is: "user[:group]" looked up in the container's own /etc/passwd and /etc/group.

These files belong to the image: they may be links (followed inside the root, never through /proc), FIFOs,
devices (refused: opening must neither block nor have effects) or endless (only the first MiB is read).
"""

from __future__ import annotations

import os
import stat

from engine.runtime import kernel
from engine.runtime.wire import Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NamedTuple

    class Identity(NamedTuple):
        uid: int
        gid: int
        groups: list[int]
        home: str
else:
    from engine.bare import namedtuple

    Identity = namedtuple("Identity", "uid gid groups home")

MAXIMUM_BYTES = 1 << 20
MAXIMUM_ID = 0x7FFFFFFF


def look_up(root: int, user: str, own: int | None = None) -> Identity:
    """Numeric uid, gid, supplementary groups and home of `user`, by Docker's rules.

    Either half may be empty: root, or as without a group. A number need not be in the files; a name must be. Without
    a group the gid is that of the passwd entry (or 0), and the supplementary groups are those that list the user by
    name. The gid is always one of them: else a program that changes its own gid escapes what a file denies to that
    group (CVE-2022-36109).
    `own`: the directory /proc/self/fd of the caller, opened before, for one that is no process of the /proc that
    it sees.
    """
    name, _, group = user.partition(":")
    name = name or "0"
    passwd = _entries(root, "etc/passwd", 6, own)
    number = _number(name)
    entry = next((e for e in passwd if (e[0] == name if number is None else e[2] == name)), None)
    if entry is None and number is None:
        raise Failure("invalid_argument", f"unable to find user {name}: no matching entry in the image's /etc/passwd")
    uid = number if number is not None else _id(entry, 2)
    gid, home = (_id(entry, 3), entry[5] or "/") if entry is not None else (0, "/")
    groups: list[int] = []
    if group:
        gid = find_group(root, group, own)
    elif entry is not None:
        listed = [e for e in _entries(root, "etc/group", 4, own) if entry[0] in e[3].split(",")]
        groups = [_id(e, 2) for e in listed]
    return Identity(uid, gid, sorted({gid, *groups}), home)


def home_of(root: int, uid: int, own: int | None = None) -> str:
    """The home of the first entry of that number, "/" where there is none. `own`: as above."""
    return next((entry[5] or "/" for entry in _entries(root, "etc/passwd", 6, own) if entry[2] == str(uid)), "/")


def find_group(root: int, group: str, own: int | None = None) -> int:
    """The gid of a group by name or number; Failure for a name that the image doesn't know."""
    number = _number(group)
    if number is not None:
        return number
    for entry in _entries(root, "etc/group", 3, own):
        if entry[0] == group:
            return _id(entry, 2)
    raise Failure("invalid_argument", f"unable to find group {group}: no matching entry in the image's /etc/group")


def user_names(root: int) -> dict[int, str]:
    """uid → name by the /etc/passwd below `root`, the first of several; nothing if it isn't a regular file."""
    names: dict[int, str] = {}
    try:
        for entry in _entries(root, "etc/passwd", 3, None):
            number = _number(entry[2])
            if number is not None and entry[0].isprintable():
                names.setdefault(number, entry[0][:64])
    except Failure:
        pass
    return names


def _number(text: str) -> int | None:
    if not text.isascii() or not text.isdigit():
        return None
    digits = text.lstrip("0") or "0"
    if len(digits) > 10 or int(digits) > MAXIMUM_ID:  # int() refuses thousands of digits in words of its own
        raise Failure("invalid_argument", f"uids and gids must be from 0 to {MAXIMUM_ID}, not {text[:40]}")
    return int(digits)


def _id(entry: list[str] | None, field: int) -> int:
    assert entry is not None
    number = _number(entry[field])
    if number is None:
        raise Failure("invalid_argument", f"the image's entry for {entry[0]} has {entry[field]!r} where an id belongs")
    return number


def _entries(root: int, path: str, minimum: int, own: int | None) -> list[list[str]]:
    """The fields of each line that has at least `minimum`; nothing if there is no such regular file."""
    resolve = kernel.RESOLVE_IN_ROOT | kernel.RESOLVE_NO_MAGICLINKS
    try:
        # O_PATH has no effect on a FIFO or a device; only what proves regular is opened for reading.
        found = kernel.openat2(root, path, os.O_PATH, resolve)
    except OSError:
        return []
    try:
        state = os.fstat(found)
        if not stat.S_ISREG(state.st_mode):
            raise Failure("invalid_argument", f"/{path} in the image is not a regular file")
        again = f"/proc/self/fd/{found}" if own is None else str(found)
        try:
            fd = os.open(again, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=own)
        except FileNotFoundError:  # no /proc in this container
            fd = kernel.openat2(root, path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY, resolve)
    finally:
        os.close(found)
    try:
        text = os.read(fd, min(state.st_size, MAXIMUM_BYTES)).decode(errors="surrogateescape")
    finally:
        os.close(fd)
    lines = [line.strip().split(":") for line in text.split("\n")]
    return [fields for fields in lines if len(fields) >= minimum and not fields[0].startswith("#")]
