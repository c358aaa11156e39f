"""Bodies of /api/v1/invitations/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from typing import Required, TypedDict


class Acceptance(TypedDict, total=False):
    secret: Required[str]
