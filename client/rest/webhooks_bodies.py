"""Bodies of /api/v1/webhooks/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Required, TypedDict


class NewWebhook(TypedDict, total=False):
    team: str
    name: Required[str]
    url: Required[str]
    events: Sequence[str]
    reaches_local: bool


class PatchedWebhookChanges(TypedDict, total=False):
    """What is left out stays as it is."""

    name: str
    url: str
    events: Sequence[str]
    reaches_local: bool
    is_enabled: bool
