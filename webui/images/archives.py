"""Images as a tar, out of a host and into it: who may.

Taking one out is reading, as a pull would be; putting one in takes what a pull takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from engine.errors import InvalidArgument
from engine.oci.platform import Platform
from webui.accounts.models import User
from webui.accounts.roles import require, require_on
from webui.hosts.models import Host
from webui.images.models import Image
from webui.images.services import tag_parse
from webui.jobs.services import job_create
from webui.links.stream import host_silent
from webui.links.transfer import ArchiveWish
from webui.policies.checks import disk_check
from worker.contract import sessions
from worker.contract.commands import ImportImage, LoadImages

FORMATS = ("docker", "oci", sessions.FILES)
CHANGES_MAXIMUM, CHANGE_LENGTH, MESSAGE_LENGTH = 100, 4096, 1000


def images_save(
    *, user: User, images: Sequence[Image], format: str = "docker", names: Sequence[str] | None = None
) -> ArchiveWish:
    """Images of one host as one tar, with all their tags, or only with `names`: references or ids of these images.

    Raises PermissionDenied, InvalidArgument, Unavailable.
    """
    hosts = {image.host_id for image in images}
    if len(hosts) != 1:
        raise _wrong("names", "Name images of one host." if hosts else "Name at least one image.")
    for image in images:
        require(user, "images.save", image.team, host=image.host_id, repository=image.repositories)
    if format == sessions.FILES and len(images) != 1:
        raise _wrong("format", "The files are those of one image: name one alone.")
    if format == sessions.FILES:
        every = [images[0].image_id]
    else:
        every = list(names or [name for image in images for name in (image.tags or [image.image_id])])
    parameters = sessions.SaveParameters(names=tuple(dict.fromkeys(every)), format=format)
    return _wish(images[0].host, sessions.IMAGE_SAVE, parameters)


def image_load(*, user: User, host: Host) -> ArchiveWish:
    """A tar of images (`docker save`, OCI layout) into `host`.

    Raises PermissionDenied, ResourceExhausted once the team's disk quota is used up, Unavailable.
    """
    require_on(user, "images.create", host)
    disk_check(host.team)
    return _job_wish(user, _online(host), sessions.IMAGE_LOAD, LoadImages(), {})


def image_import(
    *,
    user: User,
    host: Host,
    reference: str | None = None,
    changes: Sequence[str] = (),
    message: str = "",
    platform: str | None = None,
) -> ArchiveWish:
    """A tar of a root file system into `host`, as an image of one layer. Raises as `image_load`, InvalidArgument."""
    require_on(user, "images.create", host)
    disk_check(host.team)
    if len(changes) > CHANGES_MAXIMUM or any(len(change) > CHANGE_LENGTH for change in changes):
        raise _wrong("change", f"Give at most {CHANGES_MAXIMUM} instructions of {CHANGE_LENGTH} characters.")
    if len(message) > MESSAGE_LENGTH:
        raise _wrong("message", f"Give at most {MESSAGE_LENGTH} characters.")
    if platform:
        try:
            Platform.parse(platform)
        except InvalidArgument as error:
            raise _wrong("platform", error.message) from error
    parameters = sessions.ImportParameters(
        reference=str(tag_parse(reference)) if reference else None,
        changes=tuple(changes),
        message=message,
        platform=platform or None,
    )
    command = ImportImage(reference=parameters.reference)
    return _job_wish(user, _online(host), sessions.IMAGE_IMPORT, command, asdict(parameters))


def _job_wish(
    user: User, host: Host, source: str, command: LoadImages | ImportImage, parameters: dict[str, Any]
) -> ArchiveWish:
    """A job that begins with the session."""
    subject = (command.reference if isinstance(command, ImportImage) else None) or host.name
    job = job_create(team=host.team, host=host, requested_by=user, command=command, subject=subject, is_session=True)
    named = {sessions.JOB: {"id": str(job.pk), "fence": job.fence}}
    return ArchiveWish(host, "", source, {**parameters, **named}, job)


def _wish(host: Host, source: str, parameters: Any) -> ArchiveWish:
    return ArchiveWish(_online(host), "", source, asdict(parameters))


def _online(host: Host) -> Host:
    if not host.is_online:
        raise host_silent(host)
    return host


def _wrong(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(message, {"fields": {field: [message]}})
