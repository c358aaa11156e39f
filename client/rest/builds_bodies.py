"""Bodies of /api/v1/builds/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict


class NewBuild(TypedDict, total=False):
    """What a build may be given; `host` is of new ones alone."""

    host: str | None
    tags: Sequence[str]
    dockerfile: str
    dockerfile_text: str | None
    target: str
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    secrets: Mapping[str, str]
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
    cache_inline: bool
    sbom: Literal["spdx", "cyclonedx"] | Literal[""]
    provenance: Literal["min", "max"] | Literal[""]
    signing_key: str
    context: str | None


class Again(TypedDict, total=False):
    """Only what shall be otherwise."""

    tags: Sequence[str]
    dockerfile: str
    dockerfile_text: str | None
    target: str
    build_args: Mapping[str, str]
    labels: Mapping[str, str]
    secrets: Mapping[str, str]
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
    cache_inline: bool
    sbom: Literal["spdx", "cyclonedx"] | Literal[""]
    provenance: Literal["min", "max"] | Literal[""]
    signing_key: str


class PruneCache(TypedDict, total=False):
    host: str | None
    unused_seconds: float
    keep_bytes: int
