"""Bodies of /api/v1/certificates/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from typing import Required, TypedDict


class NewCertificate(TypedDict, total=False):
    name: Required[str]
    days: int
