"""Bodies of /api/v1/signing-keys/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from typing import Required, TypedDict


class NewSigningKey(TypedDict, total=False):
    name: Required[str]
    private_key: str
    public_key: str
    team: str | None
