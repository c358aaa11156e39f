"""What a build has made, out of its host: the image as an archive, or the files that it holds."""

from __future__ import annotations

from engine.errors import Conflict, NotFound
from webui.accounts.models import User
from webui.builds.models import Build
from webui.images.archives import images_save
from webui.images.models import Image
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
