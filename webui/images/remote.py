"""What a registry has, asked by a host, nothing kept of it: a repository's tags, what refers to an image."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from engine.errors import InvalidArgument
from engine.oci.reference import Reference
from webui.accounts.models import User
from webui.accounts.roles import require
from webui.hosts.models import Host
from webui.images.credentials import GivenLogin, registries_secrets, secrets_for
from webui.images.models import Image
from webui.images.services import reference_parse
from webui.images.signing import public_keys
from webui.links.stream import host_silent
from webui.links.transfer import ArchiveWish
from worker.contract import sessions

ARTIFACT_TYPE_LENGTH, TERM_LENGTH = 255, 255


def registry_tags(*, user: User, host: Host, reference: str, login: GivenLogin | None = None) -> ArchiveWish:
    """All tags of the reference's repository; `login` as of `image_pull`. Who may pull may ask.

    Raises PermissionDenied, InvalidArgument.
    """
    parsed = reference_parse(reference, field="reference")
    require(user, "images.pull", host.team, host=host, repository=parsed.name)
    return _wish(host, sessions.REGISTRY_TAGS, parsed, secrets_for(host.team, str(parsed), login))


def registry_manifest(*, user: User, host: Host, reference: str, login: GivenLogin | None = None) -> ArchiveWish:
    """What the reference stands for; `login` as of `image_pull`. Raises as `registry_tags`."""
    parsed = reference_parse(reference, field="reference")
    require(user, "images.pull", host.team, host=host, repository=parsed.name)
    return _wish(host, sessions.REGISTRY_MANIFEST, parsed, secrets_for(host.team, str(parsed), login))


def registry_search(
    *, user: User, host: Host, term: str, limit: int = 25, login: GivenLogin | None = None
) -> ArchiveWish:
    """Repositories of a registry, of Docker Hub if `term` names none, by a part of their name. Raises as above."""
    require(user, "images.pull", host.team, host=host)
    if not 0 < len(term) <= TERM_LENGTH or not term.isprintable() or " " in term:
        raise _wrong("term", f"Give a part of a name, of at most {TERM_LENGTH} characters.")
    if not 1 <= limit <= sessions.SEARCH_MAXIMUM:
        raise _wrong("limit", f"Give a number from 1 to {sessions.SEARCH_MAXIMUM}.")
    if not host.is_online:
        raise host_silent(host)
    place, _, rest = term.partition("/")
    is_named = bool(rest) and (place == "localhost" or any(sign in place for sign in ".:"))
    secrets = secrets_for(host.team, f"{place}/any" if is_named else "any", login)
    parameters = sessions.RegistryParameters(reference=term, secrets=secrets, limit=limit)
    return ArchiveWish(host, "", sessions.REGISTRY_SEARCH, asdict(parameters))


def image_referrers(*, user: User, image: Image, reference: str | None = None, artifact_type: str = "") -> ArchiveWish:
    """What refers to the image at the registry of one of its names, the first that it was pulled as if none is said."""
    require(user, "images.pull", image.team, host=image.host_id, repository=image.repositories)
    names = [*image.digests, *image.tags]
    if not names:
        raise _wrong("reference", "This image has no name, so no registry can have anything about it.")
    wanted = reference_parse(reference or names[0], field="reference")
    if all(Reference.parse(name) != wanted for name in names):
        raise _wrong("reference", f"This image is not called {wanted.familiar}.")
    if len(artifact_type) > ARTIFACT_TYPE_LENGTH:
        raise _wrong("artifact_type", f"Give at most {ARTIFACT_TYPE_LENGTH} characters.")
    secrets = secrets_for(image.team, str(wanted))
    return _wish(image.host, sessions.REGISTRY_REFERRERS, wanted, secrets, artifact_type)


def image_signatures(*, user: User, image: Image) -> ArchiveWish:
    """As `questions.image_attached`, asked of the image's registries too, as the team. Raises PermissionDenied."""
    require(user, "images.pull", image.team, host=image.host_id, repository=image.repositories)
    if not image.host.is_online:
        raise host_silent(image.host)
    of_image = {Reference.parse(name).registry for name in image.digests}
    secrets = registries_secrets(image.team)["registries"]
    parameters = sessions.SignaturesParameters(
        image=image.image_id,
        keys=tuple(public_keys(image.team)),
        registries={name: secrets[name] for name in of_image & secrets.keys()},
    )
    return ArchiveWish(image.host, "", sessions.REGISTRY_SIGNATURES, asdict(parameters))


def _wish(
    host: Host, source: str, reference: Reference, secrets: dict[str, Any] | None, artifact_type: str = ""
) -> ArchiveWish:
    if not host.is_online:
        raise host_silent(host)
    parameters = sessions.RegistryParameters(reference=str(reference), artifact_type=artifact_type, secrets=secrets)
    return ArchiveWish(host, "", source, asdict(parameters))


def _wrong(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(message, {"fields": {field: [message]}})
