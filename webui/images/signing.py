"""Keys with which a team signs images, and by which it knows who has: made here, or brought along."""

from __future__ import annotations

import re
from typing import Any

from django.db import IntegrityError, transaction

from engine.errors import AlreadyExists, Conflict, InvalidArgument
from engine.oci import signing
from webui.accounts.models import Team, User
from webui.accounts.representation import team_reference_as_json, time_as_json
from webui.accounts.roles import require
from webui.images.models import SigningKey
from webui.policies.reading import policy_of
from webui.sealing import Seal

KEYS_MAXIMUM, PEM_MAXIMUM = 50, 8 << 10
_SEAL = Seal("portside signing keys 1", "a signing key")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@transaction.atomic
def signing_key_create(*, user: User, team: Team, name: str, private_key: str = "", public_key: str = "") -> SigningKey:
    """Give the team one more key. Without `private_key` and `public_key` (PEM) a new pair is made; with a public key
    alone it can't sign.

    Raises PermissionDenied, InvalidArgument with the fields, AlreadyExists.
    """
    require(user, "registries.manage", team)
    if not _NAME.fullmatch(name):
        raise _wrong("name", "Give a name of letters, digits, '.', '_' and '-', 64 at most.")
    if private_key and public_key:
        raise _wrong("public_key", "Give one of the two: a private key has its public one with it.")
    if max(len(private_key), len(public_key)) > PEM_MAXIMUM:
        raise _wrong("private_key" if private_key else "public_key", "Give one key in PEM.")
    if team.signing_keys.count() >= KEYS_MAXIMUM:
        raise _wrong("name", f"A team has at most {KEYS_MAXIMUM} keys: remove one first.")
    private, public = _pair(private_key, public_key)
    try:
        with transaction.atomic():
            return SigningKey.objects.create(
                team=team,
                name=name,
                key_id=signing.key_id(public),
                public_key=public,
                sealed_private_key=_SEAL.close(private) if private else "",
            )
    except IntegrityError as error:
        raise AlreadyExists("the team has a key of this name, or this key by another name") from error


def _pair(private_key: str, public_key: str) -> tuple[str, str]:
    if not private_key and not public_key:
        return signing.new_key()
    field = "private_key" if private_key else "public_key"
    try:
        if private_key:
            return private_key, signing.public_of(private_key)
        signing.key_id(public_key)
    except InvalidArgument as error:
        raise _wrong(field, f"{error.message[0].upper()}{error.message[1:]}.") from error
    return "", public_key.strip() + "\n"


@transaction.atomic
def signing_key_delete(*, user: User, key: SigningKey) -> None:
    """Forget a key; signatures that it has made stay. Raises PermissionDenied, Conflict for one that a policy needs."""
    require(user, "registries.manage", key.team)
    Team.objects.select_for_update().filter(pk=key.team_id).first()  # as whoever changes the policy
    policy = policy_of(key.team)
    if key.name in policy.signing_keys:
        # Somebody could make another key of this name, which nobody has meant.
        raise Conflict(f"the policy of the team {key.team.name} names the key {key.name}: take it out there first")
    if policy.signed_images and key.team.signing_keys.count() == 1:
        raise Conflict(
            f"the policy of the team {key.team.name} lets only signed images run, and {key.name} is its last key: add "
            "another one, or change the policy first"
        )
    key.delete()


def signing_key_named(team: Team, name: str) -> SigningKey:
    """The team's key of this name that can sign. Raises InvalidArgument with the field `signing_key`."""
    found = SigningKey.objects.filter(team=team, name=name).first()
    if found is None or not found.can_sign:
        raise _wrong("signing_key", f"The team has no key {name[:64]!r} to sign with.")
    return found


def signing_secrets(team_id: object, name: str) -> dict[str, str]:
    """What a task carries to sign with the team's key of this name; empty once it is gone. Raises DataCorrupt."""
    if not name:
        return {}
    found = SigningKey.objects.filter(team_id=team_id, name=name).first()
    return {"signing_key": _SEAL.open(found.sealed_private_key)} if found is not None and found.can_sign else {}


def public_keys(team: Team) -> list[str]:
    """All that the team knows signers by, PEM: what `Images.verify` of a host takes."""
    return list(team.signing_keys.values_list("public_key", flat=True))


def signing_key_as_json(key: SigningKey) -> dict[str, Any]:
    """Never with the private key."""
    return {
        "id": str(key.pk),
        "url": f"/api/v1/signing-keys/{key.pk}/",
        "name": key.name,
        "key_id": key.key_id,
        "public_key": key.public_key,
        "can_sign": key.can_sign,
        "team": team_reference_as_json(key.team),
        "created_at": time_as_json(key.created_at),
    }


def _wrong(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(message, {"fields": {field: [message]}})
