"""A shell in a step that failed: a container of what the step has left, for as long as that is kept."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from engine.errors import Conflict, NotFound
from webui.accounts.models import User
from webui.accounts.roles import require_on
from webui.builds.models import Build
from webui.containers.models import Container
from webui.containers.services import container_create
from webui.jobs.models import Job

LABEL = "portside.failed-step"
KEPT = timedelta(minutes=30)
"""As the host keeps the files (engine/build/running.py)."""


def failed_image(build: Build) -> str | None:
    """The image of what the failed step of `build` has left, while it is kept."""
    job = build.job
    found = ((job.error or {}).get("detail") or {}).get("image")
    if not isinstance(found, str) or job.finished_at is None or timezone.now() - job.finished_at > KEPT:
        return None
    return found


def build_shell(*, user: User, build: Build) -> tuple[Container, Job]:
    """A container in which terminals can be opened, and the job that makes it.

    It ends, and is removed, after half an hour. Raises PermissionDenied (it takes the rights to create containers and
    to exec in them), NotFound for a build that has no such step, Conflict for one whose files are gone.
    """
    require_on(user, "containers.create", build.host)
    require_on(user, "containers.exec", build.host)
    image = failed_image(build)
    if image is None:
        if not ((build.job.error or {}).get("detail") or {}).get("image"):
            raise NotFound("no command of this build has failed, so there is nothing to look into")
        raise Conflict("what the failed step has left was kept for half an hour, and is gone: build again")
    return container_create(
        user=user,
        host=build.host,
        image=image,
        name=None,
        entrypoint=("/bin/sh", "-c", f"sleep {int(KEPT.total_seconds())}"),
        labels={LABEL: build.pk.hex},
        auto_remove=True,
        memory_bytes=build.wish.get("memory_bytes"),
    )
