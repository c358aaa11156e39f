"""How a recording looks in REST and pages."""

from __future__ import annotations

from typing import Any

from webui.accounts.representation import team_reference_as_json, time_as_json
from webui.recordings.models import Recording


def recording_as_json(recording: Recording) -> dict[str, Any]:
    """`seconds` is None while it goes on."""
    ended = recording.ended_at
    try:
        size = recording.path.stat().st_size
    except OSError:
        size = 0
    return {
        "id": str(recording.pk),
        "team": team_reference_as_json(recording.team),
        "user": recording.username,
        "source": recording.source,
        "command": recording.command,
        "container": {"id": recording.container_id, "name": recording.container_name},
        "started_at": time_as_json(recording.started_at),
        "ended_at": time_as_json(ended),
        "seconds": None if ended is None else round((ended - recording.started_at).total_seconds(), 3),
        "exit_code": recording.exit_code,
        "size_bytes": size,
        "url": f"/api/v1/recordings/{recording.pk}/",
        "cast_url": f"/api/v1/recordings/{recording.pk}/cast/",
    }
