"""What the open pages of a team are told of a container."""

from __future__ import annotations

from webui.broadcast import change_publish
from webui.containers.models import Container
from webui.containers.representation import container_as_json


def updated_publish(container: Container) -> None:
    """How it stands now."""
    change_publish(
        team_id=container.team_id,
        kind="container",
        action="updated",
        id=container.pk,
        object=container_as_json(container),
    )
