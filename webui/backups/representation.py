"""How backups, plans and places look in REST and on pages."""

from __future__ import annotations

from typing import Any

from webui.accounts.representation import team_reference_as_json, time_as_json
from webui.backups.models import Backup, BackupPlace, BackupPlan
from webui.hosts.representation import host_reference_as_json


def place_as_json(place: BackupPlace) -> dict[str, Any]:
    """Never with its secret key."""
    return {
        "id": str(place.pk),
        "name": place.name,
        "kind": place.kind,
        "host": None if place.host is None else host_reference_as_json(place.host),
        "directory": place.settings.get("directory", ""),
        "endpoint": place.settings.get("endpoint", ""),
        "bucket": place.settings.get("bucket", ""),
        "prefix": place.settings.get("prefix", ""),
        "region": place.settings.get("region", ""),
        "tls_verify": place.settings.get("tls_verify", True),
        "reaches_local": place.settings.get("reaches_local", False),
        "access_key": place.access_key,
        "tried": place.tried or None,
        "team": team_reference_as_json(place.team),
        "created_at": time_as_json(place.created_at),
        "url": f"/api/v1/backup-places/{place.pk}/",
    }


def plan_as_json(plan: BackupPlan) -> dict[str, Any]:
    return {
        "id": str(plan.pk),
        "place": {"id": str(plan.place_id), "name": plan.place.name},
        "schedule": plan.schedule,
        "keep": plan.keep,
        "pause": plan.pause,
        "enabled": plan.is_enabled,
        "next_at": time_as_json(plan.next_at),
        "url": f"/api/v1/backup-plans/{plan.pk}/",
    }


def backup_as_json(backup: Backup) -> dict[str, Any]:
    return {
        "id": str(backup.pk),
        "volume": {"id": backup.volume_id, "name": backup.volume_name},
        "place": {"id": str(backup.place_id), "name": backup.place.name},
        "plan": None if backup.plan_id is None else str(backup.plan_id),
        "key": backup.key,
        "status": backup.status,
        "size_bytes": backup.size_bytes,
        "files_bytes": backup.raw_bytes,
        "digest": backup.digest or None,
        "error": backup.error or None,
        "job": None if backup.job_id is None else str(backup.job_id),
        "host": host_reference_as_json(backup.host),
        "started_at": time_as_json(backup.started_at),
        "finished_at": None if backup.finished_at is None else time_as_json(backup.finished_at),
        "url": f"/api/v1/backups/{backup.pk}/",
    }
