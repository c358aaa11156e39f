"""Bodies of /api/v1/identity-providers/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Required, TypedDict


class NewProvider(TypedDict, total=False):
    """What is left out stays as it is."""

    name: Required[str]
    issuer: Required[str]
    client_id: Required[str]
    client_secret: str
    scopes: str
    groups_claim: str
    username_claim: str
    is_enabled: bool
    creates_users: bool
    only_mapped: bool
    links_by_email: bool
    asks_second_factor: bool
    mappings: Sequence[GroupRole]


class GroupRole(TypedDict, total=False):
    group: Required[str]
    team: str | None
    role: Required[str]


class PatchedProviderChanges(TypedDict, total=False):
    """What is left out stays as it is."""

    name: str
    issuer: str
    client_id: str
    client_secret: str
    scopes: str
    groups_claim: str
    username_claim: str
    is_enabled: bool
    creates_users: bool
    only_mapped: bool
    links_by_email: bool
    asks_second_factor: bool
    mappings: Sequence[GroupRole]
