"""Writes about images: what people ask of a host, and what a host says it has."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from engine.errors import InvalidArgument
from engine.oci.platform import Platform
from engine.oci.reference import Reference
from webui.accounts.models import Team, User
from webui.accounts.roles import require, require_on
from webui.hosts.models import Host
from webui.images.credentials import (
    GivenLogin,
    command_secrets,
    credential_delete,
    credential_set,
    job_secrets,
    registry_name,
    secrets_for,
)
from webui.images.models import Image, RegistryCredential
from webui.images.observed import image_apply_inventory, image_apply_state, image_forget
from webui.jobs.models import Job
from webui.jobs.services import job_create
from webui.policies.checks import disk_check, image_check
from webui.policies.reading import policy_of
from worker.contract.commands import (
    Command,
    CreateStarterImage,
    PruneImages,
    PullImage,
    PushImage,
    RemoveImage,
    TagImage,
    TryRegistry,
    VerifyImages,
    encode_command,
    kind_of,
)

__all__ = [
    "credential_delete",
    "credential_set",
    "image_apply_inventory",
    "image_apply_state",
    "image_forget",
    "image_prune",
    "image_pull",
    "image_push",
    "image_remove",
    "image_starter",
    "image_tag",
    "image_untag",
    "image_verify",
    "job_secrets",
    "login_try",
    "registry_try",
    "secrets_for",
]


@transaction.atomic
def image_pull(
    *, user: User, host: Host, reference: str, platform: str | None = None, login: GivenLogin | None = None
) -> Job:
    """Ask `host` to pull. `login`: as whom, instead of what the team has stored; a second delivery goes without it.

    Raises PermissionDenied, InvalidArgument with the field `reference` or `platform`.
    """
    parsed = reference_parse(reference, field="reference")
    require(user, "images.pull", host.team, host=host, repository=parsed.name)
    policy = policy_of(host.team)
    image_check(user, host.team, str(parsed), host=host, policy=policy)
    disk_check(host.team, policy=policy)
    if platform:
        try:
            Platform.parse(platform)
        except InvalidArgument as error:
            raise _wrong("platform", error.message) from error
    command = PullImage(reference=str(parsed), platform=platform or None)
    return _job(user, host.team, host, command, parsed.familiar, login=login)


@transaction.atomic
def image_push(
    *,
    user: User,
    image: Image,
    reference: str | None = None,
    all_platforms: bool = False,
    login: GivenLogin | None = None,
) -> Job:
    """Ask the image's host to send it to the registry of `reference`, which becomes a tag of the image if it is none.

    Without `reference` the image's first tag; `login` as of `image_pull`. Raises PermissionDenied, InvalidArgument with
    the field `reference`.
    """
    if not (reference or image.tags):
        raise _wrong("reference", "This image has no tag: say where to, such as registry.example.com/team/app:1.0.")
    parsed = tag_parse(reference or image.tags[0])
    require(user, "images.push", image.team, host=image.host_id, repository=parsed.name)
    has_it = any(Reference.parse(tag) == parsed for tag in image.tags)
    command = PushImage(reference=str(parsed), image=None if has_it else image.image_id, all_platforms=all_platforms)
    return _job(user, image.team, image.host, command, parsed.familiar, login=login)


@transaction.atomic
def image_tag(*, user: User, image: Image, reference: str) -> Job:
    """Give the image one more tag, which another image on its host loses if it has it. Raises as `image_push`."""
    require_on(user, "images.create", image)
    parsed = tag_parse(reference)
    command = TagImage(image=image.image_id, reference=str(parsed))
    return _job(user, image.team, image.host, command, parsed.familiar)


@transaction.atomic
def image_untag(*, user: User, image: Image, reference: str, force: bool = False) -> Job:
    """Take one name from the image, which goes with its last. Raises as `image_push`."""
    require_on(user, "images.remove", image)
    parsed = reference_parse(reference, field="reference")
    if not any(Reference.parse(name) == parsed for name in (*image.tags, *image.digests)):
        raise _wrong("reference", f"This image is not called {parsed.familiar} (any more).")
    command = RemoveImage(image=str(parsed), force=force)
    return _job(user, image.team, image.host, command, parsed.familiar)


@transaction.atomic
def image_remove(*, user: User, image: Image, force: bool = False) -> Job:
    """Ask the image's host to remove it with all its tags; a container that uses it makes the job fail."""
    require_on(user, "images.remove", image)
    command = RemoveImage(image=image.image_id, force=force)
    return _job(user, image.team, image.host, command, image.tags[0] if image.tags else image.image_id)


@transaction.atomic
def image_prune(
    *,
    user: User,
    host: Host,
    all: bool = False,
    until: float | None = None,
    labels: Sequence[str] = (),
    not_labels: Sequence[str] = (),
) -> Job:
    """Ask `host` to remove the images that no container uses, as `PruneImages` says. Raises PermissionDenied."""
    require_on(user, "images.remove", host)
    command = PruneImages(all=all, until=until, labels=tuple(labels), not_labels=tuple(not_labels))
    return _job(user, host.team, host, command, host.name)


@transaction.atomic
def image_verify(*, user: User, host: Host, repair: bool = False) -> Job:
    """Ask `host` to check every blob and layer, and with `repair` to fetch again what is damaged."""
    require_on(user, "images.repair", host)
    return _job(user, host.team, host, VerifyImages(repair=repair), host.name)


@transaction.atomic
def image_starter(*, user: User, host: Host) -> Job:
    """Ask `host` for an image of its own shell and tools, so that a first container needs no registry."""
    require_on(user, "images.create", host)
    command = CreateStarterImage()
    return _job(user, host.team, host, command, command.reference)


@transaction.atomic
def registry_try(*, user: User, credential: RegistryCredential, host: Host) -> Job:
    """Ask `host` whether the registry answers, and takes what is stored for it. Raises PermissionDenied."""
    require(user, "registries.manage", credential.team)
    if host.team_id != credential.team_id:
        raise _wrong("host", f"Choose a host of the team {credential.team.name}.")
    return _job(user, credential.team, host, TryRegistry(registry=credential.registry), credential.registry)


@transaction.atomic
def login_try(*, user: User, host: Host, registry: str, login: GivenLogin) -> Job:
    """Ask `host` whether a registry takes this name and password, which are kept nowhere.

    Raises PermissionDenied, InvalidArgument.
    """
    require_on(user, "images.pull", host)
    name = registry_name(registry)
    # Its answer says nothing of what the team has stored for the registry, whose subject is the name alone.
    return _job(user, host.team, host, TryRegistry(registry=name), f"{login.username}@{name}", login=login)


def _job(user: User, team: Team, host: Host, command: Command, subject: str, *, login: GivenLogin | None = None) -> Job:
    """A job whose task carries what the command's registry needs."""
    secrets = command_secrets(team, kind_of(command), encode_command(command), login)
    return job_create(team=team, host=host, requested_by=user, command=command, subject=subject, secrets=secrets)


def reference_parse(text: str, *, field: str) -> Reference:
    """Parse what a person typed. Raises InvalidArgument that names `field`."""
    try:
        return Reference.parse(text.strip())
    except InvalidArgument as error:
        raise _wrong(field, error.message) from error


def tag_parse(text: str) -> Reference:
    """The same for a name that an image can be given: no digest."""
    parsed = reference_parse(text, field="reference")
    if parsed.digest is not None:
        raise _wrong("reference", "A name has a tag, such as :1.0, and no digest.")
    return parsed


def _wrong(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(message, {"fields": {field: [message]}})
