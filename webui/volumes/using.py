"""Which containers have a volume: they say themselves what they have mounted."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from webui.containers.models import Container
from webui.volumes.models import Volume

VOLUME = "volume"
"""The type of a mount, in the words of the contract's MountState."""


class Users:
    """The containers of each host are read once, however many of its volumes are asked for."""

    def __init__(self) -> None:
        self._known: dict[str, dict[str, list[dict[str, str]]]] = {}

    def of(self, volume: Volume) -> list[dict[str, str]]:
        """{"id", "name"} of each container that has the volume, running or not; by name."""
        if volume.host_id not in self._known:
            self._known[volume.host_id] = _by_volume(volume.host_id)
        return self._known[volume.host_id].get(volume.name, [])


def mounted_names() -> dict[str, set[str]]:
    """Host → the names of its volumes that a container has."""
    found: dict[str, set[str]] = defaultdict(set)
    for host_id, mounted in Container.objects.exclude(mounted=[]).values_list("host_id", "mounted"):
        found[host_id].update(mount.get("name", "") for mount in mounted if mount.get("type") == VOLUME)
    return found


def mounts_of(volume: Volume) -> dict[str, list[dict[str, Any]]]:
    """Container id → where it has the volume: {"destination", "read_only"} of each place."""
    found: dict[str, list[dict[str, Any]]] = {}
    rows = Container.objects.filter(host=volume.host_id).exclude(mounted=[]).values_list("pk", "mounted")
    for container_id, mounted in rows:
        places = [
            {"destination": mount.get("destination", ""), "read_only": mount.get("read_only", False)}
            for mount in mounted
            if mount.get("type") == VOLUME and mount.get("name") == volume.name
        ]
        if places:
            found[container_id] = places
    return found


def _by_volume(host_id: str) -> dict[str, list[dict[str, str]]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    rows = Container.objects.filter(host=host_id).exclude(mounted=[]).values_list("pk", "name", "mounted")
    for container_id, name, mounted in rows.order_by("name"):
        for mount in mounted:
            if mount.get("type") == VOLUME:
                found[mount.get("name", "")][container_id] = name
    return {volume: [_reference(*item) for item in users.items()] for volume, users in found.items()}


def _reference(container_id: Any, name: Any) -> dict[str, str]:
    return {"id": container_id, "name": name}
