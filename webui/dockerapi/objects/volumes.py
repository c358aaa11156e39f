"""Volumes as Docker's JSON has them (moby's api/swagger.yaml, Volume)."""

from __future__ import annotations

from typing import Any

from webui.dockerapi.objects.words import second_text
from webui.volumes.models import Volume


def volume_object(volume: Volume) -> dict[str, Any]:
    """Where its files lie is the host's own matter: `Mountpoint` is empty."""
    return {
        "CreatedAt": second_text(volume.created_at),
        "Driver": volume.driver,
        "Labels": volume.labels or None,
        "Mountpoint": "",
        "Name": volume.name,
        "Options": volume.driver_opts or None,
        "Scope": "local",
    }


def volume_usage(volume: Volume, users: int) -> dict[str, Any]:
    """The same with how much is in it, -1 if nobody has measured, and how many containers have it."""
    size = -1 if volume.size_bytes is None else volume.size_bytes
    return {**volume_object(volume), "UsageData": {"Size": size, "RefCount": users}}
