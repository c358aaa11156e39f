"""Bodies of /api/v1/volumes/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Required, TypedDict


class NewVolume(TypedDict, total=False):
    """Base of every request body; nested ones too."""

    host: str | None
    name: Required[str]
    driver: str
    driver_opts: Mapping[str, str]
    labels: Mapping[str, str]


class NewBackup(TypedDict, total=False):
    """Base of every request body; nested ones too."""

    place: Required[str]
    pause: bool


class NewClone(TypedDict, total=False):
    """Base of every request body; nested ones too."""

    name: Required[str]
    labels: Mapping[str, str]
    pause: bool


class PatchedOwn(TypedDict, total=False):
    """Base of every request body; nested ones too."""

    mode: str
    uid: int
    gid: int


class NewDirectory(TypedDict, total=False):
    """Base of every request body; nested ones too."""

    parents: bool


class Move(TypedDict, total=False):
    """Base of every request body; nested ones too."""

    name: str
    to: str
    overwrite: bool


class NewLimit(TypedDict, total=False):
    """Base of every request body; nested ones too."""

    limit_bytes: Required[int | None]


class NewPlan(TypedDict, total=False):
    """Base of every request body; nested ones too."""

    place: Required[str]
    pause: bool
    schedule: Required[str]
    keep: int
    enabled: bool


class NewName(TypedDict, total=False):
    """Base of every request body; nested ones too."""

    name: Required[str]


class NewSnapshot(TypedDict, total=False):
    """Base of every request body; nested ones too."""

    name: Required[str]
    pause: bool


class RevertWish(TypedDict, total=False):
    """Base of every request body; nested ones too."""

    stop: bool


class PruneVolumes(TypedDict, total=False):
    """Base of every request body; nested ones too."""

    host: str | None
    all: bool
    labels: Sequence[str]
    dry_run: bool
