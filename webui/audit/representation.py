"""How an entry looks in REST, exports and pages."""

from __future__ import annotations

from typing import Any

from webui.accounts.representation import time_as_json
from webui.audit.models import AuditEntry

COLUMNS = (
    *("id", "at", "actor", "token", "door", "address", "agent", "action", "team", "host", "object_id", "object_name"),
    *("result", "error", "job", "before", "after"),
)


def entry_as_json(entry: AuditEntry) -> dict[str, Any]:
    """`actor`, `team` and `host` are as they were called then; `before` and `after` the fields that changed."""
    return {
        "id": entry.pk,
        "at": time_as_json(entry.at),
        "actor": entry.actor_name or None,
        "token": entry.token or None,
        "door": entry.door,
        "address": entry.address or None,
        "agent": entry.agent,
        "action": entry.action,
        "team": {"id": str(entry.team_id), "name": entry.team_name} if entry.team_id else None,
        "host": {"id": entry.host_id, "name": entry.host_name} if entry.host_id else None,
        "object_id": entry.object_id,
        "object_name": entry.object_name,
        "result": entry.result,
        "error": entry.error,
        "job": str(entry.job_id) if entry.job_id else None,
        "before": entry.before,
        "after": entry.after,
    }
