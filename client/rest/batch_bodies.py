"""Bodies of /api/v1/batch/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, Required, TypedDict


class BatchRequests(TypedDict, total=False):
    requests: Required[Sequence[Inner]]


class Inner(TypedDict, total=False):
    method: Required[Literal["GET", "POST", "PUT", "PATCH", "DELETE"]]
    path: Required[str]
    body: Any | None
