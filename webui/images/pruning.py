"""What pruning a host's images would take, told before it is done."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from engine.options.labels import are_meant
from webui.accounts.models import User
from webui.accounts.roles import require_on
from webui.hosts.models import Host
from webui.images.models import Image
from webui.images.questions import disk_usage


def images_prunable(
    *,
    user: User,
    host: Host,
    all: bool = False,
    until: float | None = None,
    labels: Sequence[str] = (),
    not_labels: Sequence[str] = (),
) -> list[dict[str, Any]]:
    """{"id", "tags", "size_bytes", "unique_bytes"} of each image that `image_prune` with the same wishes would remove.

    The host says what is used. Raises PermissionDenied, Unavailable.
    """
    require_on(user, "images.view", host)
    rows = {image.image_id: image for image in Image.objects.filter(host=host, team=host.team)}
    before = None if until is None else datetime.fromtimestamp(until, UTC)
    found = []
    for usage in disk_usage(host)["images"]:
        image = rows.get(usage["id"])
        if image is None or usage["containers"] or (usage["tags"] and not all):
            continue
        if before is not None and (image.built_at is None or image.built_at > before):
            continue
        if are_meant(image.config.get("labels") or {}, labels, not_labels):
            found.append({name: usage[name] for name in ("id", "tags", "size_bytes", "unique_bytes")})
    return found
