"""What `docker logs --details` shows before each line of a container's log."""

from __future__ import annotations

from engine.options import log_details
from webui.containers.models import Container, RemovedContainer
from webui.images.models import Image

_NOTHING = b" "


def details_of(container: Container | RemovedContainer) -> bytes:
    """In the words of `engine.options.log_details`; of one that is gone nothing is known any more."""
    options = {} if isinstance(container, RemovedContainer) else container.spec.get("log_opt") or {}
    if isinstance(container, RemovedContainer) or not options:
        return _NOTHING
    rows = Image.objects.filter(host=container.host_id, team=container.team_id, image_id=container.image_id)
    image = (rows.values_list("config", flat=True).first() if container.image_id else None) or {}
    pairs = (entry.partition("=") for entry in image.get("env") or ())
    return log_details.before(
        options,
        labels={**(image.get("labels") or {}), **(container.spec.get("labels") or {})},
        env={**{name: value for name, _, value in pairs}, **(container.spec.get("env") or {})},
        words={
            "ID": container.pk[:12],
            "FullID": container.pk,
            "Name": container.name,
            "ImageID": container.image_id[:12],
            "ImageFullID": container.image_id,
            "ImageName": container.image,
            "DaemonName": "docker",
        },
    )
