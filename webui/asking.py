"""Who asks, through which door, from where: set by each door for as long as it serves a request or a connection.

Services are told the user by name, since they ask for rights; what only has to be written down (`webui.audit`) is found
here. Threads that a door starts by `in_thread` or the bridge see what the door has set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

DOORS = PAGES, REST, SOCKET, DOCKER, CONSOLE, SITE = "pages", "rest", "socket", "docker", "console", "site"
"""The doors; `CONSOLE` is `manage.py`, `SITE` what the site does of itself: plans that are due, events of hosts."""


@dataclass(slots=True)
class Asking:
    """`user`: who it is once that is known, None before; `token`: the name of the token that was shown, if any was."""

    door: str
    address: str = ""
    agent: str = ""
    token: str = ""
    find_user: Callable[[], Any] | None = None

    @property
    def user(self) -> Any:
        found = None if self.find_user is None else self.find_user()
        return found if getattr(found, "pk", None) is not None else None


_present: ContextVar[Asking | None] = ContextVar("asking", default=None)


def asking() -> Asking:
    """The present request or connection; one of the site's own outside of any."""
    return _present.get() or Asking(SITE)


@contextmanager
def asked(door: str, *, address: str = "", agent: str = "", find_user: Any = None) -> Iterator[Asking]:
    """Serve a request or a connection that has come through this door."""
    found = Asking(door, address=address, agent=agent[:200], find_user=find_user)
    before = _present.set(found)
    try:
        yield found
    finally:
        _present.reset(before)


@contextmanager
def still_asked(found: Asking) -> Iterator[None]:
    """Go on, in another task, with what a request has begun."""
    before = _present.set(found)
    try:
        yield
    finally:
        _present.reset(before)


def begin_asking(door: str, *, address: str = "", agent: str = "") -> Asking:
    """The same for the rest of this task, for connections that no `with` surrounds."""
    found = Asking(door, address=address, agent=agent[:200])
    _present.set(found)
    return found


def identified(user: Any, token: str = "") -> None:
    """The door has found out who it is; outside of any door it changes nothing."""
    present = _present.get()
    if present is not None:
        present.find_user = lambda: user
        present.token = token
