"""Identity providers: administrators add, change and remove them, and say which groups are which roles in teams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils.text import slugify

from engine.errors import AlreadyExists, Conflict, InvalidArgument, PermissionDenied
from webui.accounts.models import CustomRole, Role, Team, User
from webui.accounts.tokens import require_unlimited
from webui.parameters import is_uuid
from webui.sealing import Seal
from webui.signin.models import GroupMapping, IdentityProvider
from webui.signin.openid.metadata import check_address, forget, metadata_of

ADMINISTRATOR = "administrator"
_SEAL = Seal("portside identity providers 1", "the secret of an identity provider")
_WORDS = {"name": 80, "client_id": 300, "scopes": 300, "groups_claim": 80, "username_claim": 80}
_FLAGS = ("is_enabled", "creates_users", "only_mapped", "links_by_email", "asks_second_factor")


def require_administrator(user: User) -> None:
    """Raises PermissionDenied."""
    if not (user.is_active and user.is_superuser):
        raise PermissionDenied("how people sign in is for administrators to say: ask one")
    require_unlimited(user)


@transaction.atomic
def provider_save(*, user: User, provider: IdentityProvider | None = None, **wish: Any) -> IdentityProvider:
    """Add a provider, or change one: what is left out of `wish` stays. The provider is asked for its metadata first.

    wish: name, issuer, client_id, client_secret (kept sealed), scopes, groups_claim, username_claim, the flags, and
    mappings: [{"group", "team": name or id or None, "role"}], which take the place of all that are there. Raises
    PermissionDenied, InvalidArgument with the fields, Unavailable when the provider does not answer.
    """
    require_administrator(user)
    row = provider or IdentityProvider()
    _set_words(row, wish)
    _set_issuer(row, wish)
    for name in _FLAGS:
        if name in wish:
            setattr(row, name, bool(wish[name]))
    if "client_secret" in wish:
        row.sealed_secret = _SEAL.close(wish["client_secret"]) if wish["client_secret"] else ""
    if "openid" not in row.scopes.split():
        raise _wrong("scopes", "`openid` has to be among the scopes.")
    if provider is None:
        row.slug = _slug(row.name)
    row.save()
    if "mappings" in wish:
        _set_mappings(row, wish["mappings"])
    return row


def provider_remove(*, user: User, provider: IdentityProvider) -> None:
    """Its users stay, and need another way in; memberships that came from its groups stay as they are."""
    require_administrator(user)
    provider.delete()


def secret_of(provider: IdentityProvider) -> str:
    """Raises DataCorrupt when it was sealed by another site."""
    return _SEAL.open(provider.sealed_secret) if provider.sealed_secret else ""


def _set_words(row: IdentityProvider, wish: Mapping[str, Any]) -> None:
    for name, longest in _WORDS.items():
        if name not in wish:
            continue
        value = " ".join(str(wish[name]).split()) if name == "scopes" else str(wish[name]).strip()
        if not 0 < len(value) <= longest:
            raise _wrong(name, f"Give 1 to {longest} characters.")
        setattr(row, name, value)
    for name in ("name", "client_id"):
        if not getattr(row, name):
            raise _wrong(name, "This is needed.")


def _set_issuer(row: IdentityProvider, wish: Mapping[str, Any]) -> None:
    issuer = str(wish.get("issuer", row.issuer)).strip()
    if issuer == row.issuer and row.issuer:
        return
    if len(issuer) > 300:
        raise _wrong("issuer", "That is too long for an issuer.")
    # A subject means somebody at one issuer alone: at another the same one would be a stranger.
    if row.issuer and row.identities.exists():
        raise Conflict("people sign in by this issuer already: add another provider instead")
    try:
        check_address(issuer, "The issuer")
        forget(issuer)
        metadata_of(issuer)
    except InvalidArgument as error:
        raise _wrong("issuer", error.message) from error
    row.issuer = issuer


def _set_mappings(row: IdentityProvider, wish: Sequence[Mapping[str, Any]]) -> None:
    rows = []
    for number, one in enumerate(wish):
        group, role, name = str(one.get("group", "")).strip(), str(one.get("role", "")), one.get("team")
        team = _team(name) if name else None
        if not 0 < len(group) <= 200:
            raise _wrong(f"mappings.{number}.group", "Name the provider's group.")
        if name and team is None:
            raise _wrong(f"mappings.{number}.team", "There is no such team.")
        if (role == ADMINISTRATOR) is not (team is None) or (team is not None and not role_exists(role)):
            raise _wrong(f"mappings.{number}.role", f"A team and a role in it, or {ADMINISTRATOR} without a team.")
        rows.append(GroupMapping(provider=row, group=group, team=team, role=role))
    keys = {(one.group, one.team_id) for one in rows}
    if len(keys) != len(rows):
        raise AlreadyExists("a group has two roles in the same team: keep one of them")
    row.mappings.all().delete()
    for one in rows:  # each by itself, so that the audit log hears of it
        one.save()


def role_exists(role: str) -> bool:
    return role in Role.values or CustomRole.objects.filter(pk=role).exists()


def _team(name: object) -> Team | None:
    text = str(name)
    found = Team.objects.filter(name=text).first()
    if found is None and is_uuid(text):
        found = Team.objects.filter(pk=text).first()
    return found


def _slug(name: str) -> str:
    base = slugify(name)[:32] or "provider"
    taken = set(IdentityProvider.objects.filter(slug__startswith=base).values_list("slug", flat=True))
    return next(slug for slug in (base, *(f"{base}-{n}" for n in range(2, 1000))) if slug not in taken)


def _wrong(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(message, {"fields": {field: [message]}})
