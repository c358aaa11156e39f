"""What the operating system refuses, as the engine's families say it: a verb meets a full disk almost anywhere."""

from __future__ import annotations

import errno
import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from engine.containers.parts import Parts
from engine.errors import EngineError, ResourceExhausted, Unavailable
from engine.reserve import Reserve

P = ParamSpec("P")
R = TypeVar("R")


class HasParts(Protocol):
    @property
    def _parts(self) -> Parts: ...


S = TypeVar("S", bound=HasParts)


def told(verb: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Let a verb raise nothing but the engine's families."""

    @functools.wraps(verb)
    def telling(containers: S, /, *arguments: P.args, **named: P.kwargs) -> R:
        try:
            return verb(containers, *arguments, **named)
        except OSError as error:
            raise explained(error, str(containers._parts.config.home)) from error

    return telling


def freeing(verb: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Let a verb that makes room go on with the home's reserve when the disk is full. It may be begun again."""

    @functools.wraps(verb)
    def going_on(containers: S, /, *arguments: P.args, **named: P.kwargs) -> R:
        reserve = Reserve(containers._parts.config.home)
        return reserve.with_room(lambda: verb(containers, *arguments, **named))

    return going_on


def explained(error: OSError, home: str) -> EngineError:
    """In words of what to do next."""
    what = f"{error.strerror or error}{f' ({error.filename})' if error.filename else ''}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ResourceExhausted(f"the disk that holds {home} is full: remove images or containers, or make room on it")
    if error.errno in (errno.ENOMEM, errno.EMFILE, errno.ENFILE, errno.EAGAIN):
        return ResourceExhausted(f"the host is short of memory, processes or open files: {what}; free some, try again")
    if error.errno in (errno.EIO, errno.EROFS):
        return Unavailable(f"the disk that holds {home} has failed: {what}; look at the kernel's messages (dmesg)")
    return Unavailable(f"the operating system refused: {what}; try again, and look at the worker's log")
