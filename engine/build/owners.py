"""Whose files become: --chown and USER, in numbers or in names that the image knows."""

from __future__ import annotations

from engine.errors import FAMILIES, EngineError
from engine.runtime import identity
from engine.runtime.wire import Failure

ROOT = (0, 0)


def find(text: str, root: int) -> tuple[int, int]:
    """(uid, gid) of `user`, `user:group` or `:group`; a name's group is that of its entry, a number's the same number.

    `root`: the image's files, open. Raises `InvalidArgument` for a name that they don't have.
    """
    user, colon, group = text.partition(":")
    try:
        if user in ("", "root"):
            uid, gid = ROOT
        elif user.isascii() and user.isdigit():
            uid = gid = identity.look_up(root, user).uid
        else:
            found = identity.look_up(root, user)
            uid, gid = found.uid, found.gid
        if colon and group:
            gid = 0 if group == "root" else identity.find_group(root, group)
    except Failure as error:
        raise FAMILIES.get(error.family, EngineError)(str(error)) from error
    return uid, gid


def is_numeric(text: str) -> bool:
    """Whether nothing of the image is needed to know them."""
    return all(part in ("", "root") or (part.isascii() and part.isdigit()) for part in text.split(":", 1))
