"""Bodies of /api/v1/registries/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Required, TypedDict


class NewCredential(TypedDict, total=False):
    registry: Required[str]
    username: str
    password: str
    plain_http: bool
    tls_verify: bool
    ca_pem: str
    mirrors: Sequence[str]
    team: str | None


class TestOn(TypedDict, total=False):
    host: str | None
