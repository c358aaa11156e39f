"""Bodies of /api/v1/backups/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from typing import TypedDict


class RestoreWish(TypedDict, total=False):
    name: str
    host: str | None
    stop: bool
