"""Places for backups: stored with their keys, tried, forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from django.db import transaction

from engine.errors import Conflict, DataCorrupt, InvalidArgument
from webui.accounts.models import Team, User
from webui.accounts.roles import require, require_loosening
from webui.backups.models import BackupPlace, PlaceKind
from webui.hosts.models import Host
from webui.images.passwords import password_decrypt, password_encrypt
from webui.jobs.models import Job
from webui.jobs.services import job_create
from worker.contract import volumes as v
from worker.contract.secrets import BackupSecrets
from worker.contract.wire import from_wire, to_wire

_FIELDS = {
    PlaceKind.DIRECTORY: ("directory", "prefix"),
    PlaceKind.S3: ("endpoint", "bucket", "prefix", "region", "tls_verify", "ca_pem", "reaches_local"),
}
_PEM_MAXIMUM = 64 << 10


@transaction.atomic
def place_set(
    *,
    user: User,
    team: Team,
    name: str,
    kind: str,
    host: Host | None = None,
    access_key: str = "",
    secret_key: str = "",
    **settings: Any,
) -> BackupPlace:
    """Store a place, or replace the one of this name. Without `secret_key` the one that is stored stays, if neither
    the storage nor the access key is another one.

    Raises PermissionDenied (a host's directory and storage near the host need the right `loosen`), InvalidArgument
    with the fields.
    """
    require(user, "backups.places", team)
    present = BackupPlace.objects.filter(team=team, name=name).first()
    if present is not None and present.kind != kind:
        raise _wrong({"name": [f"There is a place {name} of another kind: choose another name."]})
    return _stored(
        present, user=user, team=team, name=name, kind=kind, host=host, access_key=access_key, secret_key=secret_key,
        settings=settings,
    )  # fmt: skip


@transaction.atomic
def place_change(*, user: User, place: BackupPlace, host: Host | None = None, **changes: Any) -> BackupPlace:
    """Change what is named of it; its kind stays. The secret key stays as `place_set` has it.

    What was written elsewhere is not moved: backups that are listed there are looked for where the place is then.
    Raises as `place_set`.
    """
    require(user, "backups.places", place.team)
    name = str(changes.pop("name", place.name))
    if BackupPlace.objects.filter(team=place.team, name=name).exclude(pk=place.pk).exists():
        raise _wrong({"name": [f"There is a place {name} already: choose another name."]})
    access_key, secret_key = changes.pop("access_key", place.access_key), changes.pop("secret_key", "")
    return _stored(
        place, user=user, team=place.team, name=name, kind=str(place.kind), host=host or place.host,
        access_key=access_key, secret_key=secret_key, settings={**place.settings, **changes},
    )  # fmt: skip


def _stored(
    present: BackupPlace | None,
    *,
    user: User,
    team: Team,
    name: str,
    kind: str,
    host: Host | None,
    access_key: str,
    secret_key: str,
    settings: Mapping[str, Any],
) -> BackupPlace:
    """What was asked for, in the row that is there or a new one."""
    wanted = {key: settings[key] for key in _FIELDS.get(PlaceKind(kind), ()) if key in settings}
    if kind == PlaceKind.DIRECTORY:
        problems = _problems_of_directory(wanted, host, team)
        loosened = [("directory", f"the host's {wanted.get('directory', '')}")]
    else:
        problems = _problems_of_storage(wanted, access_key)
        host = None
        loosened = [("reaches_local", "storage near the host")] if wanted.get("reaches_local") else []
    kept = ""
    if present is not None and present.access_key == access_key and _is_same(present.settings, wanted):
        kept = present.encrypted_secret_key
    if kind == PlaceKind.S3 and not secret_key and not kept:
        problems["secret_key"] = ["Give the secret key that belongs to the access key."]
    for key, value in settings.items():
        if key not in wanted and value not in ("", None, False):
            problems[key] = [f"A place of the kind {kind} has no {key}."]
    if not name or len(name) > 80:
        problems["name"] = ["Give a name of at most 80 characters."]
    if problems:
        raise _wrong(problems)
    require_loosening(user, team, loosened)
    place = present or BackupPlace(team=team, kind=kind)
    place.name, place.host, place.settings, place.tried = name, host, wanted, {}
    place.access_key = access_key if kind == PlaceKind.S3 else ""
    place.encrypted_secret_key = password_encrypt(secret_key) if secret_key else kept
    place.save()
    return place


def place_delete(*, user: User, place: BackupPlace) -> None:
    """Forget it, and which backups are there; those stay where they are. Raises PermissionDenied, Conflict."""
    require(user, "backups.places", place.team)
    plans = place.plans.count()
    if plans:
        raise Conflict(f"{plans} plans back volumes up to {place.name}: remove them first")
    place.delete()


@transaction.atomic
def place_try(*, user: User, place: BackupPlace, host: Host) -> Job:
    """Let a host write, read and remove a small file there. Raises PermissionDenied."""
    require(user, "backups.places", place.team)
    refuse_other_host(place, host)
    return place_job(place, host, user, v.TryPlace(place=as_command(place)), place.name)


def place_job(place: BackupPlace, host: Host, user: User | None, command: v.VolumeCommand, subject: str) -> Job:
    """A job that speaks to the place: its keys go with the task alone."""
    return job_create(
        team=place.team, host=host, requested_by=user, command=command, subject=subject, secrets=_secrets(place)
    )


def as_command(place: BackupPlace) -> v.BackupPlace:
    """As the contract has it, without its keys."""
    return from_wire(v.BackupPlace, {"kind": str(place.kind), **place.settings})


def refuse_other_host(place: BackupPlace, host: Host) -> None:
    """Raises InvalidArgument for a host that can't reach the place, or is another team's."""
    if place.team_id != host.team_id or (place.host_id is not None and place.host_id != host.pk):
        raise _wrong({"place": [f"{place.name} is not to be reached from the host {host.name}."]})


def backup_job_secrets(job: Job) -> dict[str, Any] | None:
    """What such a job needs beside its command when it is sent again."""
    wanted = job.command.get("place")
    if not isinstance(wanted, Mapping):
        return None
    for place in BackupPlace.objects.filter(team=job.team_id, kind=PlaceKind.S3):
        if to_wire(as_command(place)) == dict(wanted):
            return _secrets(place)
    return None


def _secrets(place: BackupPlace) -> dict[str, Any] | None:
    if place.kind != PlaceKind.S3:
        return None
    try:
        secret = password_decrypt(place.encrypted_secret_key)
    except DataCorrupt as error:
        raise DataCorrupt(
            f"the secret key of {place.name} can't be read with this site's own: enter it again"
        ) from error
    found: dict[str, Any] = to_wire(BackupSecrets(access_key=place.access_key, secret_key=secret))
    return found


def _is_same(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    """Whether a key that was given for one storage goes to the same, over as safe a way."""
    names = ("endpoint", "tls_verify", "ca_pem")
    return all(present.get(name) == wanted.get(name) for name in names)


def _problems_of_directory(wanted: dict[str, Any], host: Host | None, team: Team) -> dict[str, list[str]]:
    problems: dict[str, list[str]] = {}
    path = str(wanted.get("directory") or "")
    if not path.startswith("/") or "\0" in path or len(path) > 1000:
        problems["directory"] = ["Give an absolute path of the host."]
    if host is None or host.team_id != team.pk:
        problems["host"] = ["Say on which host of the team the directory is."]
    return problems | _problems_of_prefix(wanted)


def _problems_of_storage(wanted: dict[str, Any], access_key: str) -> dict[str, list[str]]:
    problems: dict[str, list[str]] = {}
    if not _is_endpoint(str(wanted.get("endpoint") or "")):
        problems["endpoint"] = ["Give the storage's address, such as https://s3.example.com."]
    if not wanted.get("bucket"):
        problems["bucket"] = ["Name the bucket, which must be there."]
    if not access_key or len(access_key) > 255:
        problems["access_key"] = ["Give the access key."]
    pem = str(wanted.get("ca_pem") or "")
    if pem and (len(pem) > _PEM_MAXIMUM or not _is_pem(pem)):
        problems["ca_pem"] = ["Give certificates as PEM, 64 KiB at most."]
    return problems | _problems_of_prefix(wanted)


def _problems_of_prefix(wanted: dict[str, Any]) -> dict[str, list[str]]:
    prefix = str(wanted.get("prefix") or "").strip("/")
    allowed = all(character.isalnum() or character in "_.-/" for character in prefix) and prefix.isascii()
    parts = prefix.split("/") if prefix else []
    if allowed and len(prefix) <= 200 and all(part and part[0].isalnum() for part in parts):
        return {}
    return {"prefix": ["Use names of letters, digits, '_', '.' and '-', with '/' between them."]}


def _is_endpoint(text: str) -> bool:
    try:
        address = urlsplit(text)
        is_whole = bool(address.hostname) and address.port != 0  # asking for a port that is none raises
    except ValueError:
        return False
    more = address.path.strip("/") or address.query or address.fragment or "@" in address.netloc
    return address.scheme in ("http", "https") and is_whole and not more


def _is_pem(text: str) -> bool:
    try:
        return bool(x509.load_pem_x509_certificates(text.encode()))
    except ValueError:
        return False


def _wrong(fields: dict[str, list[str]]) -> InvalidArgument:
    return InvalidArgument("; ".join(text for found in fields.values() for text in found), {"fields": fields})
