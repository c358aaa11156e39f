"""How teams and tokens look in REST, broadcasts and pages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from webui.accounts.models import ApiToken, Role, Team


def time_as_json(at: datetime | None) -> str | None:
    """RFC 3339 in UTC with milliseconds, as every time in our JSON."""
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def team_reference_as_json(team: Team) -> dict[str, Any]:
    """The short form inside other objects."""
    return {"id": str(team.pk), "name": team.name}


def team_as_json(team: Team, role: str | None) -> dict[str, Any]:
    """`role` is the asker's role in the team; an administrator without membership is shown as maintainer."""
    return {
        "id": str(team.pk),
        "name": team.name,
        "role": role or Role.MAINTAINER.value,
        "keep_logs_days": team.keep_logs_days,
        "record_terminals": team.record_terminals,
        "keep_recordings_days": team.keep_recordings_days,
        "require_second_factor": team.require_second_factor,
        "publish_addresses": team.publish_addresses,
        "publish_default": team.publish_default,
        "created_at": time_as_json(team.created_at),
    }


def token_as_json(token: ApiToken) -> dict[str, Any]:
    return {
        "id": str(token.pk),
        "name": token.name,
        "created_at": time_as_json(token.created_at),
        "last_used_at": time_as_json(token.last_used_at),
        "scopes": token.scopes,
        "team": None if token.team is None else team_reference_as_json(token.team),
        "expires_at": time_as_json(token.expires_at),
    }
