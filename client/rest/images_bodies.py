"""Bodies of /api/v1/images/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Required, TypedDict


class Push(TypedDict, total=False):
    reference: str | None
    all_platforms: bool


class Name(TypedDict, total=False):
    reference: Required[str]


class Untag(TypedDict, total=False):
    reference: Required[str]
    force: bool


class Verify(TypedDict, total=False):
    host: str | None
    repair: bool


class Lookup(TypedDict, total=False):
    images: Sequence[int]


class PruneImages(TypedDict, total=False):
    host: str | None
    all: bool
    until: int
    labels: Sequence[str]
    not_labels: Sequence[str]
    dry_run: bool


class Pull(TypedDict, total=False):
    host: str | None
    reference: Required[str]


class OnHost(TypedDict, total=False):
    host: str | None
