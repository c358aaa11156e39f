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


class PatchedPolicyChanges(TypedDict, total=False):
    """What is left out stays as it is; null is no limit, an empty list no rule."""

    bind_paths: Sequence[str]
    privileged: bool
    host_namespaces: Sequence[str]
    capabilities: Sequence[str]
    devices: Sequence[str]
    images: Sequence[str]
    signed_images: bool
    signing_keys: Sequence[str]
    port_ranges: Sequence[str]
    must_limit: Sequence[str]
    memory_maximum_bytes: int | None
    cpus_maximum: float | None
    pids_maximum: int | None
    host_memory_bytes: int | None
    host_cpus: float | None
    host_pids: int | None
    containers_quota: int | None
    volumes_quota: int | None
    networks_quota: int | None
    disk_quota_bytes: int | None


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
