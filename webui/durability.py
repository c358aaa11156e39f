"""An answer that says "done" is given once the disk has what was done.

PostgreSQL waits for its disk at each commit. SQLite in WAL mode with synchronous=NORMAL does not, so here the log is
synced, once for all that a request has changed, when its work has been passed on already: a host need not wait for it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponseBase

SAFE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class DurableAnswers:
    """Middleware: holds an answer until the database's disk has what the request changed."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        if request.method not in SAFE and response.status_code < 400:
            sync()
        return response


def sync() -> None:
    """Return when all that was committed is on the disk. Raises OSError when the disk doesn't take it."""
    if connection.vendor != "sqlite":
        return
    with contextlib.suppress(FileNotFoundError):  # in memory, or all of it is in the database itself
        log = os.open(f"{connection.settings_dict['NAME']}-wal", os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fdatasync(log)
        finally:
            os.close(log)
