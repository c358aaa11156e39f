"""Bodies of /api/v1/teams/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Required, TypedDict


class NewTeam(TypedDict, total=False):
    name: Required[str]


class PatchedTeamChanges(TypedDict, total=False):
    """What is left out stays as it is."""

    name: str
    keep_logs_days: int
    record_terminals: str
    keep_recordings_days: int
    require_second_factor: bool
    publish_addresses: Sequence[str]
    publish_default: str


class NewGroup(TypedDict, total=False):
    name: Required[str]
    hosts: Sequence[str]


class PatchedGroupChanges(TypedDict, total=False):
    """What is left out stays as it is."""

    name: str
    hosts: Sequence[str]


class NewInvitation(TypedDict, total=False):
    role: Required[str]
    note: str
    days: int


class NewMember(TypedDict, total=False):
    user: Required[str]
    role: Required[str]


class PatchedMemberChanges(TypedDict, total=False):
    role: str


class NewGrant(TypedDict, total=False):
    """One of `host`, `group` and `repository` says where."""

    role: Required[str]
    host: str
    group: str
    repository: str


class NewServiceAccount(TypedDict, total=False):
    username: Required[str]
    name: str
    role: Required[str]


class PatchedServiceAccountChanges(TypedDict, total=False):
    active: bool


class NewServiceToken(TypedDict, total=False):
    name: Required[str]
    scopes: Sequence[str] | None
    days: int | None
