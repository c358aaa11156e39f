"""Bodies of /api/v1/builds/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, Required, TypedDict


class NewBuild(TypedDict, total=False):
    """What a build may be given; `host` is of new ones alone."""

    host: str | None
    tags: Sequence[str]
    git: str | None
    dockerfile: str
    dockerfile_text: str | None
    target: str
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    secrets: Mapping[str, str]
    ssh: Mapping[str, str]
    ssh_keys: Mapping[str, str]
    entitlements: Sequence[Literal["network.host", "security.insecure", "device"]]
    platform: str | None
    no_cache: bool
    pull: bool
    network: Literal["default", "none", "host"]
    extra_hosts: Sequence[str]
    memory_bytes: int | None
    cpus: float | None
    source_date_epoch: int | None
    platforms: Sequence[str]
    push: bool
    cache_from: Sequence[str]
    cache_to: str
    cache_mode: Literal["min", "max"]
    cache_mounts: bool
    cache_inline: bool
    sbom: Literal["spdx", "cyclonedx"] | Literal[""]
    provenance: Literal["min", "max"] | Literal[""]
    signing_key: str
    context: str | None


class Again(TypedDict, total=False):
    """Only what shall be otherwise."""

    tags: Sequence[str]
    git: str | None
    dockerfile: str
    dockerfile_text: str | None
    target: str
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    secrets: Mapping[str, str]
    ssh: Mapping[str, str]
    ssh_keys: Mapping[str, str]
    entitlements: Sequence[Literal["network.host", "security.insecure", "device"]]
    platform: str | None
    no_cache: bool
    pull: bool
    network: Literal["default", "none", "host"]
    extra_hosts: Sequence[str]
    memory_bytes: int | None
    cpus: float | None
    source_date_epoch: int | None
    platforms: Sequence[str]
    push: bool
    cache_from: Sequence[str]
    cache_to: str
    cache_mode: Literal["min", "max"]
    cache_mounts: bool
    cache_inline: bool
    sbom: Literal["spdx", "cyclonedx"] | Literal[""]
    provenance: Literal["min", "max"] | Literal[""]
    signing_key: str


class NewGitServer(TypedDict, total=False):
    server: Required[str]
    username: str
    password: str
    ca_pem: str
    team: str | None


class PruneCache(TypedDict, total=False):
    host: str | None
    unused_seconds: float
    keep_bytes: int


class NewRule(TypedDict, total=False):
    host: str | None
    name: Required[str]
    repository: Required[str]
    branches: Sequence[str]
    tags: Sequence[str]
    directory: str
    dockerfile: str
    target: str
    names: Sequence[str]
    build_args: Mapping[str, str]
    push: bool
    ssh_keys: Mapping[str, str]


class PatchedRuleChanges(TypedDict, total=False):
    """Only what shall be otherwise."""

    name: str
    repository: str
    branches: Sequence[str]
    tags: Sequence[str]
    directory: str
    dockerfile: str
    target: str
    names: Sequence[str]
    build_args: Mapping[str, str]
    push: bool
    ssh_keys: Mapping[str, str]
    enabled: bool


class NewSshKey(TypedDict, total=False):
    name: Required[str]
    private_key: str
    team: str | None
