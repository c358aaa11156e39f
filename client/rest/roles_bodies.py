"""Bodies of /api/v1/roles/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Required, TypedDict


class NewRole(TypedDict, total=False):
    name: Required[str]
    description: str
    actions: Required[Sequence[str]]


class PatchedRoleChanges(TypedDict, total=False):
    """What is left out stays as it is."""

    name: str
    description: str
    actions: Sequence[str]
