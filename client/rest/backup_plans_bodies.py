"""Bodies of /api/v1/backup-plans/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from typing import TypedDict


class PatchedOtherPlan(TypedDict, total=False):
    """What is left out stays as it is."""

    place: str
    pause: bool
    schedule: str
    keep: int
    enabled: bool
