"""Bodies of /api/v1/tokens/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Required, TypedDict


class NewToken(TypedDict, total=False):
    name: Required[str]
    scopes: Sequence[str] | None
    team: str | None
    days: int | None
