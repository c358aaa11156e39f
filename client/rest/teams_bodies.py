"""Bodies of /api/v1/teams/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict


class PatchedTeamChanges(TypedDict, total=False):
    """What is left out stays as it is."""

    keep_logs_days: int
    record_terminals: str
    keep_recordings_days: int
    require_second_factor: bool
    publish_addresses: Sequence[str]
    publish_default: str
