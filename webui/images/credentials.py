"""How a team speaks to registries: as whom, how safely, through which mirrors; looked up by a reference's registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography import x509
from django.db import transaction
from django.db.models import QuerySet

from engine.errors import EngineError, InvalidArgument
from engine.oci.reference import DEFAULT_REGISTRY, Reference
from engine.options import mounts
from webui.accounts.models import Team, User
from webui.accounts.roles import require
from webui.images.models import RegistryCredential
from webui.images.passwords import password_decrypt, password_encrypt
from webui.jobs.models import Job
from webui.prepared import Prepared
from worker.contract.secrets import RegistrySecrets
from worker.contract.wire import to_wire

PEM_MAXIMUM = 64 << 10
MIRRORS_MAXIMUM = 8
_WITH_SECRETS = {
    "image.pull": "reference",
    "image.push": "reference",
    "image.lookup": "references",
    "registry.try": "registry",
    "container.create": "image",
    "container.recreate": "image",
}
"""Commands that speak to a registry, and the field in which they name it."""
_FOR_REGISTRY = Prepared(RegistryCredential.objects.all(), "team_id", "registry")
_LOOK_FOR_SIGNATURES = ("container.create", "container.recreate", "container.start", "container.restart")
_CREATE = ("container.create", "container.recreate")


@transaction.atomic
def credential_set(
    *,
    user: User,
    team: Team,
    registry: str,
    username: str = "",
    password: str = "",
    plain_http: bool = False,
    tls_verify: bool = True,
    ca_pem: str = "",
    mirrors: Sequence[str] = (),
) -> RegistryCredential:
    """Store or replace what the team has for one registry (`docker.io`, `registry.example.com:5000`).

    Without `username` it is spoken to as nobody; without `password` the one that is stored for the same user stays.
    Raises PermissionDenied, InvalidArgument that names the fields.
    """
    require(user, "registries.manage", team)
    errors: dict[str, list[str]] = {}
    name = ""
    try:
        name = registry_name(registry)
    except InvalidArgument as error:
        errors["registry"] = [error.message]
    present = RegistryCredential.objects.filter(team=team, registry=name).first() if name else None
    kept = present.encrypted_password if present is not None and present.username == username else ""
    if len(username) > 255:
        errors["username"] = ["Give a user name of at most 255 characters."]
    if (username and not password and not kept) or len(password) > 4096:
        errors["password"] = ["Give a password or an access token of 1 to 4096 characters."]
    if password and not username:
        errors["username"] = ["Say whose password this is."]
    errors |= _problems_of(plain_http, ca_pem, mirrors)
    if errors:
        raise InvalidArgument("the registry can't be stored: correct the marked fields", {"fields": errors})
    credential, _ = RegistryCredential.objects.update_or_create(
        team=team,
        registry=name,
        defaults={
            "username": username,
            "encrypted_password": password_encrypt(password) if password else (kept if username else ""),
            "plain_http": plain_http,
            "tls_verify": tls_verify,
            "ca_pem": ca_pem.strip(),
            "mirrors": list(mirrors),
            "tried": {},
        },
    )
    return credential


def _problems_of(plain_http: bool, ca_pem: str, mirrors: Sequence[str]) -> dict[str, list[str]]:
    errors: dict[str, list[str]] = {}
    if ca_pem.strip():
        if plain_http:
            errors["ca_pem"] = ["Without TLS there are no certificates: leave one of the two out."]
        elif len(ca_pem) > PEM_MAXIMUM or not is_pem(ca_pem):
            errors["ca_pem"] = ["Give certificates as PEM, from -----BEGIN CERTIFICATE----- on, 64 KiB at most."]
    wrong = [mirror for mirror in mirrors if not _is_mirror(mirror)]
    if wrong:
        errors["mirrors"] = [f"{wrong[0][:80]!r} is no mirror: give a host name such as mirror.example.com:5000."]
    elif len(mirrors) > MIRRORS_MAXIMUM:
        errors["mirrors"] = [f"Give at most {MIRRORS_MAXIMUM} mirrors."]
    return errors


def is_pem(text: str) -> bool:
    """Whether these are certificates."""
    try:
        return bool(x509.load_pem_x509_certificates(text.encode()))
    except ValueError:
        return False


def _is_mirror(text: str) -> bool:
    rest = text.removeprefix("https://").removeprefix("http://")
    if any(character.isspace() or character in "@?#" for character in rest) or len(rest) > 255:
        return False
    try:
        _mirror_host(text)
    except InvalidArgument:
        return False
    return True


def credential_delete(*, user: User, credential: RegistryCredential) -> None:
    require(user, "registries.manage", credential.team)
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


@dataclass(frozen=True, slots=True)
class GivenLogin:
    """As whom a request wants to be spoken to a registry, instead of what its team has stored; kept nowhere."""

    username: str
    password: str = field(repr=False)


def secrets_for(team: Team | object, reference: str, login: GivenLogin | None = None) -> dict[str, Any] | None:
    """What `team` (or its id) has for the registry in `reference`, as `RegistrySecrets` on the wire, or None."""
    try:
        registry = Reference.parse(reference).registry
    except InvalidArgument:
        return None  # an image id: nothing will be pulled
    return with_login(registry_secrets(team, registry), login)


def with_login(secrets: dict[str, Any] | None, login: GivenLogin | None) -> dict[str, Any] | None:
    """`secrets` of a registry with the request's own name and password, if it has any."""
    if login is None:
        return secrets
    own = RegistrySecrets(username=login.username, password=login.password)
    return {**to_wire(own), **(secrets or {}), "username": login.username, "password": login.password}


def registry_secrets(team: Team | object, registry: str) -> dict[str, Any] | None:
    """The same by the registry's name."""
    credential = _FOR_REGISTRY.first(team.pk if isinstance(team, Team) else team, registry)
    return None if credential is None else _secrets_with_mirrors(credential)


def _of_team(team: Team | object) -> QuerySet[RegistryCredential]:
    return RegistryCredential.objects.filter(team_id=team.pk if isinstance(team, Team) else team)


def registries_secrets(team: Team | object, logins: Mapping[str, GivenLogin] | None = None) -> dict[str, Any]:
    """Of each of the team's registries, by its name: any of them may have what is to be repaired, or built on.

    `logins`: a request's own, by the names of registries.
    """
    found = {credential.registry: _secrets_with_mirrors(credential) for credential in _of_team(team)}
    own = {name: with_login(found.get(name), login) for name, login in (logins or {}).items()}
    return {"registries": {**found, **own}}


def _secrets_with_mirrors(credential: RegistryCredential) -> dict[str, Any]:
    """A mirror is signed in to with what the team has stored for the mirror's own host."""
    hosts = {mirror: _mirror_host(mirror) for mirror in credential.mirrors}
    stored = {one.registry: one for one in _of_team(credential.team_id).filter(registry__in=set(hosts.values()))}
    of_mirrors = {mirror: _secrets_of(stored[host]) for mirror, host in hosts.items() if host in stored}
    return {**_secrets_of(credential), "of_mirrors": {name: {**own, "mirrors": ()} for name, own in of_mirrors.items()}}


def _mirror_host(mirror: str) -> str:
    return registry_name(mirror.removeprefix("https://").removeprefix("http://").partition("/")[0])


def _secrets_of(credential: RegistryCredential) -> dict[str, Any]:
    secrets = RegistrySecrets(
        username=credential.username,
        password=password_decrypt(credential.encrypted_password) if credential.username else "",
        plain_http=credential.plain_http,
        tls_verify=credential.tls_verify,
        ca_pem=credential.ca_pem or None,
        mirrors=tuple(credential.mirrors),
    )
    found: dict[str, Any] = to_wire(secrets)
    return found


def job_secrets(job: Job) -> dict[str, Any] | None:
    """What a job's command needs beside itself at every delivery; never stored with the job."""
    return command_secrets(job.team_id, job.kind, job.command)


def command_secrets(
    team: Team | object, kind: str, command: Mapping[str, Any], login: GivenLogin | None = None
) -> dict[str, Any] | None:
    """The same for a command's wire form; `login` instead of the stored one, for this delivery alone."""
    if kind == "image.fsck":
        return registries_secrets(team) if command.get("repair") else None
    field = _WITH_SECRETS.get(kind)
    # Any of the image's registries may have its signatures.
    if command.get("signed_by") and kind in _LOOK_FOR_SIGNATURES:
        others = registries_secrets(team)
    else:
        others = _of_mounted(team, command) if kind in _CREATE else {}
    if field is None:
        return others or None
    named = command.get(field) or ""
    if kind == "registry.try":
        return with_login(registry_secrets(team, str(named)), login)
    found = secrets_for(team, str(named[0] if isinstance(named, list | tuple) else named), login)
    return {**(found or {}), **others} or None


def _of_mounted(team: Team | object, command: Mapping[str, Any]) -> dict[str, Any]:
    """Of the registries from which a container's mounted images are pulled, if they are missing."""
    images = [image for image in mounts.images(command.get("mounts") or ()) if not mounts.IMAGE_ID.fullmatch(image)]
    names = {Reference.parse(image).registry for image in images}
    stored = {name: secrets for name in sorted(names) if (secrets := registry_secrets(team, name)) is not None}
    return {"registries": stored} if stored else {}
