"""What builds have made, on their hosts: an image as an archive, the files that it holds, what is left for later."""

from __future__ import annotations

from typing import Any

from engine.errors import Conflict, NotFound
from webui.accounts.models import User
from webui.accounts.roles import require_on
from webui.builds.models import Build
from webui.hosts.models import Host
from webui.images.archives import images_save
from webui.images.models import Image
from webui.links.stream import ask
from webui.links.transfer import ArchiveWish


def build_output(*, user: User, build: Build, format: str) -> ArchiveWish:
    """As `images_save` of the build's image. Raises what that does, Conflict while there is none, NotFound once it is
    gone."""
    if not build.image_id:
        problem = "it made no image" if build.job.is_finished else "the build still goes on: wait for its end"
        raise Conflict(f"there is nothing to read: {problem}")
    image = Image.objects.filter(host=build.host, team=build.team, image_id=build.image_id).first()
    if image is None:
        raise NotFound(f"the image of this build is not on {build.host.name} any more: build it again")
    return images_save(user=user, images=[image], format=format)


def cache_usage(*, user: User, host: Host) -> Any:
    """What the team's builds have left on the host: {"steps", "layers_bytes", "mounts_bytes", "mounts": […]}.

    Raises PermissionDenied, and as `links.stream.ask`.
    """
    require_on(user, "builds.view", host)
    return ask(host, "build.cache", str(host.team_id), is_slow=True)
