"""Bodies of /api/v1/volumes/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Required, TypedDict


class NewVolume(TypedDict, total=False):
    host: str | None
    name: Required[str]
    driver: str
    driver_opts: Mapping[str, str]
    labels: Mapping[str, str]


class NewBackup(TypedDict, total=False):
    place: Required[str]
    pause: bool


class NewClone(TypedDict, total=False):
    name: Required[str]
    labels: Mapping[str, str]
    pause: bool


class PatchedOwn(TypedDict, total=False):
    mode: str
    uid: int
    gid: int
    recursive: bool


class NewDirectory(TypedDict, total=False):
    parents: bool


class Move(TypedDict, total=False):
    name: str
    to: str
    overwrite: bool


class NewLimit(TypedDict, total=False):
    limit_bytes: Required[int | None]


class NewPlan(TypedDict, total=False):
    place: Required[str]
    pause: bool
    schedule: Required[str]
    keep: int
    enabled: bool


class NewName(TypedDict, total=False):
    name: Required[str]


class NewSnapshot(TypedDict, total=False):
    name: Required[str]
    pause: bool


class RevertWish(TypedDict, total=False):
    stop: bool


class PruneVolumes(TypedDict, total=False):
    host: str | None
    all: bool
    labels: Sequence[str]
    not_labels: Sequence[str]
    dry_run: bool
