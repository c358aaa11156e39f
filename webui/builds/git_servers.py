"""Who a team is at servers of repositories: stored sealed, sent with a build's task alone, never shown again."""

from __future__ import annotations

import re
from typing import Any

from django.db import transaction

from engine.errors import InvalidArgument
from webui.accounts.models import Team, User
from webui.accounts.representation import team_reference_as_json, time_as_json
from webui.accounts.roles import require
from webui.builds.models import GitServer
from webui.images.credentials import PEM_MAXIMUM, is_pem
from webui.sealing import Seal

_SEAL = Seal("portside git credentials 1", "a stored password of a git server")
_SERVER = re.compile(r"(?:[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")


@transaction.atomic
def git_server_set(
    *, user: User, team: Team, server: str, username: str = "", password: str = "", ca_pem: str = ""
) -> GitServer:
    """Store or replace what the team has for one server (`git.example.com`, `git.example.com:3000`).

    Without `password` the one that is stored for the same user stays. Raises PermissionDenied, InvalidArgument that
    names the fields.
    """
    require(user, "registries.manage", team)
    name = server.strip().lower().removeprefix("https://").removeprefix("http://").rstrip("/")
    errors: dict[str, list[str]] = {}
    if not _SERVER.fullmatch(name):
        errors["server"] = ["Give a host name, with a port if needed, such as git.example.com:3000."]
    present = GitServer.objects.filter(team=team, server=name).first()
    kept = present.sealed_password if present is not None and present.username == username else ""
    if len(username) > 255 or ":" in username:
        errors["username"] = ["Give a user name of at most 255 characters, without a colon."]
    if not password and not kept and not ca_pem.strip():
        errors["password"] = ["Give a password or an access token."]
    if len(password) > 4096 or any(ord(letter) < 32 for letter in password):
        errors["password"] = ["Give at most 4096 characters in one line."]
    if ca_pem.strip() and (len(ca_pem) > PEM_MAXIMUM or not is_pem(ca_pem)):
        errors["ca_pem"] = ["Give certificates as PEM, from -----BEGIN CERTIFICATE----- on, 64 KiB at most."]
    if errors:
        raise InvalidArgument("the server can't be stored: correct the marked fields", {"fields": errors})
    row, _ = GitServer.objects.update_or_create(
        team=team,
        server=name,
        defaults={
            "username": username,
            "sealed_password": _SEAL.close(password) if password else kept,
            "ca_pem": ca_pem.strip(),
        },
    )
    return row


def git_server_delete(*, user: User, row: GitServer) -> None:
    """Forget it. Raises PermissionDenied."""
    require(user, "registries.manage", row.team)
    row.delete()


def git_secrets(team_id: object) -> dict[str, Any]:
    """Of each server what the host needs, by its name; for a task alone. Raises DataCorrupt."""
    return {
        row.server: {
            "username": row.username,
            "password": _SEAL.open(row.sealed_password) if row.sealed_password else "",
            "ca_pem": row.ca_pem,
        }
        for row in GitServer.objects.filter(team_id=team_id)
    }


def git_server_as_json(row: GitServer) -> dict[str, Any]:
    """The password stays where it is."""
    return {
        "id": str(row.pk),
        "server": row.server,
        "username": row.username,
        "has_password": bool(row.sealed_password),
        "ca_pem": row.ca_pem,
        "team": team_reference_as_json(row.team),
        "created_at": time_as_json(row.created_at),
        "url": f"/api/v1/builds/git-servers/{row.pk}/",
    }
