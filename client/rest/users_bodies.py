"""Bodies of /api/v1/users/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from typing import Required, TypedDict


class NewPerson(TypedDict, total=False):
    username: Required[str]
    name: str
    email: str
    administrator: bool


class PatchedPersonChanges(TypedDict, total=False):
    """What is left out stays as it is."""

    username: str
    name: str
    email: str
    administrator: bool
    active: bool
