"""How volumes look in REST, broadcasts and pages."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from webui.accounts.representation import team_reference_as_json, time_as_json
from webui.hosts.representation import host_reference_as_json
from webui.volumes.models import Volume
from webui.volumes.using import Users


def volume_as_json(volume: Volume, users: Users | None = None) -> dict[str, Any]:
    """`users` serves a whole list. Where its files lie on the host is nobody's business here."""
    return {
        "id": volume.pk,
        "name": volume.name,
        "driver": volume.driver,
        "driver_opts": volume.driver_opts,
        "labels": volume.labels,
        "anonymous": volume.is_anonymous,
        "size_bytes": volume.size_bytes,
        "files": volume.files,
        "measured_at": None if volume.measured_at is None else time_as_json(volume.measured_at),
        "limit_bytes": volume.limit_bytes,
        "quota": volume.quota or None,
        "over_limit": volume.is_over,
        "snapshots": [
            {**snapshot, "created_at": time_as_json(datetime.fromtimestamp(snapshot["created_at"], UTC))}
            for snapshot in volume.snapshots
        ],
        "used_by": (users or Users()).of(volume),
        "host": host_reference_as_json(volume.host),
        "team": team_reference_as_json(volume.team),
        "created_at": time_as_json(volume.created_at),
        "url": f"/api/v1/volumes/{volume.pk}/",
    }
