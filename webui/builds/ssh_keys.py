"""SSH keys by which a team's builds sign in elsewhere: made here, or brought along; the private half stays here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction

from engine.build.ssh_keys import new_key, read
from engine.errors import AlreadyExists, InvalidArgument
from webui.accounts.models import Team, User
from webui.accounts.representation import team_reference_as_json, time_as_json
from webui.accounts.roles import require
from webui.builds.models import SshKey
from webui.sealing import Seal

KEYS_MAXIMUM, KEY_MAXIMUM = 50, 32 << 10
_SEAL = Seal("portside build ssh keys 1", "an SSH key")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


@transaction.atomic
def ssh_key_create(*, user: User, team: Team, name: str, private_key: str = "") -> SshKey:
    """Give the team one more key; without `private_key` a new one (Ed25519) is made.

    Raises PermissionDenied, InvalidArgument with the fields, AlreadyExists.
    """
    require(user, "registries.manage", team)
    if not _NAME.fullmatch(name):
        raise _wrong("name", "Give a name of letters, digits, '.', '_' and '-', 64 at most.")
    if len(private_key) > KEY_MAXIMUM:
        raise _wrong("private_key", f"Give one key, of at most {KEY_MAXIMUM >> 10} KiB.")
    if team.ssh_keys.count() >= KEYS_MAXIMUM:
        raise _wrong("name", f"A team has at most {KEYS_MAXIMUM} keys: remove one first.")
    text = private_key.strip() + "\n" if private_key.strip() else new_key()
    try:
        found = read(text, name)
    except InvalidArgument as error:
        raise _wrong("private_key", f"{error.message[0].upper()}{error.message[1:]}.") from error
    if len(found) > 1:
        raise _wrong("private_key", "Give one key; others get names of their own.")
    try:
        with transaction.atomic():
            return SshKey.objects.create(
                team=team, name=name, fingerprint=found[0].fingerprint, public_key=found[0].public_key,
                sealed_private_key=_SEAL.close(text),
            )  # fmt: skip
    except IntegrityError as error:
        raise AlreadyExists("the team has a key of this name, or this key by another name") from error


def ssh_key_delete(*, user: User, key: SshKey) -> None:
    """Forget a key; servers that know it go on knowing it. Raises PermissionDenied."""
    require(user, "registries.manage", key.team)
    key.delete()


def ssh_keys_named(team: Team, names: Mapping[str, str]) -> None:
    """Raises InvalidArgument with the field `ssh_keys` unless the team has every one of these keys (id → name)."""
    wanted = set(names.values())
    missing = wanted - set(SshKey.objects.filter(team=team, name__in=wanted).values_list("name", flat=True))
    if missing:
        raise _wrong("ssh_keys", f"The team has no SSH key {min(missing)[:64]!r}: store it under Repositories first.")


def ssh_secrets(team_id: object, given: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    """What a task carries of SSH keys, by the ids of agents: those `given`, and the team's own by their `names`.

    One that was removed meanwhile is left out. Raises DataCorrupt.
    """
    rows = SshKey.objects.filter(team_id=team_id, name__in=set(names.values())) if names else ()
    stored = {row.name: _SEAL.open(row.sealed_private_key) for row in rows}
    found = dict(given)
    for agent, name in names.items():
        if name in stored:
            found[agent] = "\n".join(filter(None, (found.get(agent), stored[name])))
    return found


def ssh_key_as_json(key: SshKey) -> dict[str, Any]:
    """Never with the private key."""
    return {
        "id": str(key.pk),
        "url": f"/api/v1/builds/ssh-keys/{key.pk}/",
        "name": key.name,
        "fingerprint": key.fingerprint,
        "public_key": key.public_key,
        "team": team_reference_as_json(key.team),
        "created_at": time_as_json(key.created_at),
    }


def _wrong(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(message, {"fields": {field: [message]}})
