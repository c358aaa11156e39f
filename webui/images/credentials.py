"""Credentials for registries: a team's user name and password, looked up by the registry a reference names."""

from __future__ import annotations

from django.db import transaction

from engine.errors import EngineError, InvalidArgument
from engine.oci.reference import DEFAULT_REGISTRY, Reference
from webui.accounts.models import Team, User
from webui.accounts.roles import MANAGE, require
from webui.images.models import RegistryCredential
from webui.images.passwords import password_decrypt, password_encrypt
from webui.jobs.models import Job

_WITH_PULL = {"image.pull": "reference", "container.create": "image"}
"""Commands that may pull, and the field in which they name the image."""


@transaction.atomic
def credential_set(*, user: User, team: Team, registry: str, username: str, password: str) -> RegistryCredential:
    """Store or replace the team's credential for one registry (`docker.io`, `registry.example.com:5000`)."""
    require(user, MANAGE, team)
    errors: dict[str, list[str]] = {}
    name = ""
    try:
        name = registry_name(registry)
    except InvalidArgument as error:
        errors["registry"] = [error.message]
    if not username or len(username) > 255:
        errors["username"] = ["Give a user name of 1 to 255 characters."]
    if not password or len(password) > 4096:
        errors["password"] = ["Give a password or an access token of 1 to 4096 characters."]
    if errors:
        raise InvalidArgument("the credential can't be stored: correct the marked fields", {"fields": errors})
    credential, _ = RegistryCredential.objects.update_or_create(
        team=team, registry=name, defaults={"username": username, "encrypted_password": password_encrypt(password)}
    )
    return credential


def credential_delete(*, user: User, credential: RegistryCredential) -> None:
    require(user, MANAGE, credential.team)
    credential.delete()


def registry_name(text: str) -> str:
    """`text` as references spell their registry, e.g. docker.io. Raises InvalidArgument."""
    host = text.strip().removeprefix("https://").removeprefix("http://").rstrip("/").lower()
    if host in ("docker.io", "index.docker.io", "registry-1.docker.io", "hub.docker.com", "index.docker.io/v1"):
        return DEFAULT_REGISTRY
    message = (
        f"{text!r} is not a registry: give its host name, with a port if needed, such as registry.example.com:5000"
    )
    try:
        reference = Reference.parse(f"{host}/x")
    except EngineError as error:
        raise InvalidArgument(message) from error
    if reference.registry != host or reference.repository != "x":
        raise InvalidArgument(message)
    return host


def secrets_for(team: Team | object, reference: str) -> dict[str, str] | None:
    """The user name and password of `team` (or its id) for the registry in `reference`, or None."""
    try:
        registry = Reference.parse(reference).registry
    except InvalidArgument:
        return None  # an image id: nothing will be pulled
    credential = RegistryCredential.objects.filter(
        team_id=team.pk if isinstance(team, Team) else team, registry=registry
    ).first()
    if credential is None:
        return None
    return {"username": credential.username, "password": password_decrypt(credential.encrypted_password)}


def job_secrets(job: Job) -> dict[str, str] | None:
    """What a job's command needs beside itself at every delivery; never stored with the job."""
    field = _WITH_PULL.get(job.kind)
    return None if field is None else secrets_for(job.team_id, str(job.command.get(field, "")))
