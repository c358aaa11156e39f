"""Bodies of /api/v1/backup-places/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from typing import Literal, Required, TypedDict


class NewPlace(TypedDict, total=False):
    host: str | None
    directory: str
    endpoint: str
    bucket: str
    prefix: str
    region: str
    tls_verify: bool
    ca_pem: str
    reaches_local: bool
    access_key: str
    secret_key: str
    name: Required[str]
    kind: Required[Literal["directory", "s3"]]
    team: str | None


class PatchedOtherPlace(TypedDict, total=False):
    """What is left out stays as it is."""

    host: str | None
    directory: str
    endpoint: str
    bucket: str
    prefix: str
    region: str
    tls_verify: bool
    ca_pem: str
    reaches_local: bool
    access_key: str
    secret_key: str
    name: str


class TestOn(TypedDict, total=False):
    host: str | None
