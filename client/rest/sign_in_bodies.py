"""Bodies of /api/v1/sign-in/. python -m tests.support.client_code makes this of docs/openapi-v1.yml."""

from __future__ import annotations

from typing import TypedDict


class PatchedSignInPolicy(TypedDict, total=False):
    require_second_factor: bool
