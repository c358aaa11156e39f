"""From a provider's claims to a user here, and from its groups to memberships.

A user is known by provider and subject alone. Names and e-mail addresses are what people, or careless providers, say of
themselves: a name never joins anybody, an address only whom an administrator has made for it, if the provider vouches.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from engine.errors import Conflict, PermissionDenied
from webui.accounts.models import Membership, Role, User
from webui.accounts.telling import people_told
from webui.signin.models import GroupMapping, Identity, IdentityProvider, MappedMembership
from webui.signin.openid.providers import ADMINISTRATOR

_LADDER = {role: number for number, role in enumerate(Role.values)}
GROUPS_MAXIMUM = 2000


def user_of(provider: IdentityProvider, claims: Mapping[str, Any]) -> User:
    """The active user that these claims are about, made if need be, with the memberships of now.

    Raises PermissionDenied, which says what an administrator can do.
    """
    wanted = _mappings_of(provider, claims)
    if provider.only_mapped and not wanted:
        _take_what_groups_gave(provider, claims)
        raise PermissionDenied("none of your groups at the provider is let in here: ask an administrator")
    return _entered(provider, claims, wanted)


def _take_what_groups_gave(provider: IdentityProvider, claims: Mapping[str, Any]) -> None:
    """From who is refused: tokens, passkeys and sessions would go on opening it. It outlasts the refusal."""
    identity = Identity.objects.select_related("user").filter(provider=provider, subject=claims["sub"]).first()
    if identity is not None:
        memberships_follow(identity, [])


@transaction.atomic
def _entered(provider: IdentityProvider, claims: Mapping[str, Any], wanted: list[GroupMapping]) -> User:
    identity = Identity.objects.select_related("user").filter(provider=provider, subject=claims["sub"]).first()
    if identity is None:
        identity = _joined(provider, claims) or _made(provider, claims)
    if not identity.user.is_active:
        raise PermissionDenied("this account is deactivated: ask an administrator")
    identity.email = _email(claims)
    identity.last_used_at = timezone.now()
    identity.save(update_fields=["email", "last_used_at"])
    memberships_follow(identity, wanted)
    return identity.user


def identity_link(*, provider: IdentityProvider, claims: Mapping[str, Any], user: User) -> Identity:
    """Join somebody who is signed in here to who he is at the provider. Raises Conflict when that is somebody else."""
    identity, _ = Identity.objects.get_or_create(provider=provider, subject=claims["sub"], defaults={"user": user})
    if identity.user_id != user.pk:
        raise Conflict(f"this account at {provider.name} belongs to another user here")
    return identity


def is_same(provider: IdentityProvider, claims: Mapping[str, Any], user: User) -> bool:
    return Identity.objects.filter(provider=provider, subject=claims["sub"], user=user).exists()


@transaction.atomic
def memberships_follow(identity: Identity, wanted: list[GroupMapping]) -> None:
    """Give what the groups say, take what they no longer say; what was given by hand is left alone."""
    roles: dict[Any, str] = {}
    for mapping in wanted:
        if mapping.team_id is not None:
            roles[mapping.team_id] = max(roles.get(mapping.team_id, mapping.role), mapping.role, key=_rank)
    mapped = {row.team_id: row for row in identity.memberships.all()}
    for team_id, row in mapped.items():
        if team_id not in roles:
            Membership.objects.filter(user=identity.user, team_id=team_id).delete()
            row.delete()
    for team_id, role in roles.items():
        if team_id in mapped:
            Membership.objects.update_or_create(user=identity.user, team_id=team_id, defaults={"role": role})
            MappedMembership.objects.filter(pk=mapped[team_id].pk).update(role=role)
        elif not Membership.objects.filter(user=identity.user, team_id=team_id).exists():
            Membership.objects.create(user=identity.user, team_id=team_id, role=role)
            MappedMembership.objects.create(identity=identity, team_id=team_id, role=role)
    people_told([identity.user_id])
    _administrator_follows(identity, any(mapping.role == ADMINISTRATOR for mapping in wanted))


def _administrator_follows(identity: Identity, is_wanted: bool) -> None:
    user = identity.user
    if is_wanted and not user.is_superuser:
        user.is_superuser = identity.made_administrator = True
    elif not is_wanted and identity.made_administrator:
        identity.made_administrator = False
        others = User.objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
        user.is_superuser = not others.exists()  # the last administrator stays one
    else:
        return
    user.save(update_fields=["is_superuser"])
    identity.save(update_fields=["made_administrator"])


def _mappings_of(provider: IdentityProvider, claims: Mapping[str, Any]) -> list[GroupMapping]:
    groups = claims.get(provider.groups_claim)
    names = {groups} if isinstance(groups, str) else set()
    if isinstance(groups, list):
        names = {group for group in groups[:GROUPS_MAXIMUM] if isinstance(group, str)}
    return [mapping for mapping in provider.mappings.all() if mapping.group in names]


def _joined(provider: IdentityProvider, claims: Mapping[str, Any]) -> Identity | None:
    """By a verified address, if the administrator wants it so, to a user whom an administrator has made for it.

    Once somebody has used an account, its address is what he says it is, and might be another's.
    """
    email = _email(claims)
    if not provider.links_by_email or claims.get("email_verified") is not True or not email:
        return None
    found = list(User.objects.filter(email__iexact=email)[:2])
    if len(found) != 1 or not _is_waiting(found[0]):
        return None
    user = found[0]
    user.set_unusable_password()  # the one-time password that was made for him has done its work
    user.must_change_password = False
    user.save(update_fields=["password", "must_change_password"])
    return Identity.objects.create(provider=provider, subject=claims["sub"], user=user)


def _is_waiting(user: User) -> bool:
    """Whether an administrator has made this user and nobody has used it yet."""
    is_plain = user.is_active and not user.is_superuser and user.service_of_id is None
    is_unused = user.last_login is None and not user.tokens.exists() and not user.identities.exists()
    return is_plain and is_unused and (user.must_change_password or not user.has_usable_password())


def _made(provider: IdentityProvider, claims: Mapping[str, Any]) -> Identity:
    if not provider.creates_users:
        raise PermissionDenied(f"nobody here is known by this account at {provider.name}: ask an administrator")
    base = re.sub(r"[^\w.@+-]", "", str(claims.get(provider.username_claim) or ""), flags=re.ASCII)[:140]
    base = base or re.sub(r"[^\w.-]", "", _email(claims).partition("@")[0], flags=re.ASCII) or "user"
    for number in range(1, 1000):
        username = base if number == 1 else f"{base}-{number}"
        if User.objects.filter(username__iexact=username).exists():
            continue
        try:
            with transaction.atomic():
                # An address that nobody has verified could be another's, and would pass for his from here on.
                is_verified = claims.get("email_verified") is True
                user = User(username=username, email=_email(claims) if is_verified else "")
                user.first_name, user.last_name = _text(claims, "given_name"), _text(claims, "family_name")
                user.set_unusable_password()
                user.save()
        except IntegrityError:
            continue
        return Identity.objects.create(provider=provider, subject=claims["sub"], user=user)
    raise Conflict("there are too many users of this name: ask an administrator")


def _email(claims: Mapping[str, Any]) -> str:
    return _text(claims, "email", 254)


def _text(claims: Mapping[str, Any], name: str, longest: int = 150) -> str:
    """What is seen of it: marks that turn the direction of text, as any other that doesn't show, mislead on pages."""
    value = claims.get(name)
    if not isinstance(value, str):
        return ""
    seen = "".join(character for character in " ".join(value.split()) if character.isprintable())
    return " ".join(seen.split())[:longest]


def _rank(role: str) -> int:
    """Roles of the installation's own come first: somebody has made one for just these people."""
    return _LADDER.get(role, len(_LADDER))
