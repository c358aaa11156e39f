"""A job as REST, the broadcasts, the sockets and the pages show it."""

from __future__ import annotations

from typing import Any

from webui.accounts.representation import time_as_json
from webui.jobs.models import Job


def job_as_json(job: Job) -> dict[str, Any]:
    """`error` is `{"family", "message", "detail"}` or None; times are ISO 8601, durations seconds."""
    requested_by = job.requested_by
    return {
        "id": str(job.id),
        "url": f"/api/v1/jobs/{job.id}/",
        "kind": job.kind,
        "subject": job.subject,
        "status": str(job.status),
        "progress": {"phase": job.progress.get("phase", ""), "items": job.progress.get("items", [])},
        "result": job.result,
        "error": job.error,
        "host": {"id": job.host_id, "name": job.host.name},
        "team": {"id": str(job.team_id), "name": job.team.name},
        "requested_by": requested_by.get_username() if requested_by else None,
        "created_at": time_as_json(job.created_at),
        "started_at": time_as_json(job.started_at),
        "finished_at": time_as_json(job.finished_at),
        "duration_seconds": job.duration_seconds,
        "cancel_requested": job.cancel_requested_at is not None,
    }
