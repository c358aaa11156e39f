"""Whether containers of this home can have user namespaces of their own: tried once, by making one.

What may stand in the way: a kernel without them (or with user.max_user_namespaces at 0), a file system that can't
show other owners (mount_setattr(2), "ID-mapped mounts") or an overlay that won't take such layers (Linux 5.19 does
all of it), a host whose own /proc or /sys is partly covered, as in a container.
"""

from __future__ import annotations

import contextlib
import os

from engine.runtime import record, rootfs, wire
from engine.runtime.ids import Ranges
from engine.runtime.midwife import Midwife

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, NoReturn

_NAME, _ANSWER = "probe", "user-namespaces"


def refusal(run: str, ranges: Ranges, mounts: list[dict[str, Any]], sysctls: dict[str, str]) -> str | None:
    """Why not, for people; None if they can. `run`: a directory on the home's file system, which keeps the answer.

    A good one holds until the machine is started anew, with another kernel perhaps; a bad one is asked for again by
    every launcher.
    """
    if known(run) == "":
        return None
    reason = _ask(run, ranges, mounts, sysctls)
    with contextlib.suppress(OSError):
        with open(f"{run}/{_ANSWER}.new", "w") as file:
            file.write(f"{record.boot_id()}\n{reason or ''}")
        os.rename(f"{run}/{_ANSWER}.new", f"{run}/{_ANSWER}")
    return reason


def known(run: str) -> str | None:
    """What was found out before, since this boot: empty for a good answer, None for nothing."""
    with contextlib.suppress(OSError), open(f"{run}/{_ANSWER}") as file:
        boot, _, reason = file.read().partition("\n")
        if boot == record.boot_id():
            return reason
    return None


def _ask(run: str, ranges: Ranges, mounts: list[dict[str, Any]], sysctls: dict[str, str]) -> str | None:
    first = ranges.take()
    if first is None:
        return "no range of 65,536 user ids is free on this host"
    read, write = os.pipe2(os.O_CLOEXEC)
    pid = os.fork()
    if pid == 0:
        _try(f"{run}/{_NAME}", first, mounts, sysctls, write)
    os.close(write)
    with open(read, "rb") as answer:
        text = answer.read().decode()
    os.waitpid(pid, 0)
    ranges.doubt(first)
    if not text:
        return "the process that tried it died"
    return None if text == "fine" else text


def _try(place: str, first: int, mounts: list[dict[str, Any]], sysctls: dict[str, str], answer: int) -> NoReturn:
    text = ""
    try:
        text = _experience(place, first, mounts, sysctls) or "fine"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the reason
        text = str(wire.failure_of(error, "trying a user namespace"))
    finally:
        os.write(answer, text.encode())
        os._exit(0)


def _experience(place: str, first: int, mounts: list[dict[str, Any]], sysctls: dict[str, str]) -> str | None:
    for name in ("lower", "upper", "work"):
        os.makedirs(f"{place}/{name}", 0o700, exist_ok=True)
    midwife = Midwife(mounts, sysctls, first)
    try:
        layers = {"lowerdirs": [f"{place}/lower"], "upperdir": f"{place}/upper", "workdir": f"{place}/work"}
        assert midwife.owners is not None
        tree = rootfs.overlay(layers, midwife.owners, first)
        shown, read_only = os.fstat(tree).st_uid, os.fstatvfs(tree).f_flag & os.ST_RDONLY
        os.close(tree)
        midwife.bear(None)
        pid = midwife.born(was_ready=False)
    finally:
        midwife.leave()
    _, status = os.waitpid(pid, 0)  # nothing was handed over, so it has ended, with 0 if it could mount its proc
    _clear(place)
    if shown != first or read_only:
        return f"an overlay shows files of user {shown} instead of {first}{', read-only' if read_only else ''}"
    return (
        "the host's own /proc or /sys is partly covered, so none can be mounted in a user namespace" if status else None
    )


def _clear(place: str) -> None:
    for below, _, _ in os.walk(place, topdown=False):
        os.rmdir(below)
