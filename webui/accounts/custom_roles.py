"""Roles of this installation: sets of actions under a name, which administrators make."""

from __future__ import annotations

import re
from collections.abc import Collection

from django.apps import apps
from django.db import IntegrityError, transaction

from engine.errors import AlreadyExists, Conflict, InvalidArgument
from webui.accounts.actions import BUILT_IN, GRANTABLE
from webui.accounts.models import CustomRole, CustomRoleAction, Grant, Invitation, Membership, User
from webui.accounts.roles import require_in_site
from webui.accounts.telling import people_told

KEY_LENGTH = 40


@transaction.atomic
def role_create(*, user: User, name: str, actions: Collection[str], description: str = "") -> CustomRole:
    """Raises PermissionDenied, InvalidArgument and AlreadyExists with the fields."""
    require_in_site(user, "roles.manage")
    role = CustomRole(key=_key(name), name=_name(name), description=_description(description))
    _save(role, is_new=True)
    _allow(role, actions)
    people_told([user.pk])
    return role


@transaction.atomic
def role_change(
    *,
    user: User,
    role: CustomRole,
    name: str | None = None,
    actions: Collection[str] | None = None,
    description: str | None = None,
) -> None:
    """Change what is given, for everybody who has the role. Raises as `role_create`."""
    require_in_site(user, "roles.manage")
    if name is not None:
        role.name = _name(name)
    if description is not None:
        role.description = _description(description)
    _save(role, is_new=False)
    if actions is not None:
        _allow(role, actions)
    people_told([user.pk, *_holders(role)])


@transaction.atomic
def role_delete(*, user: User, role: CustomRole) -> None:
    """Raises PermissionDenied, Conflict while somebody has it, is invited with it or gets it by a provider's groups."""
    require_in_site(user, "roles.manage")
    holders = _holders(role)
    if holders or Invitation.objects.filter(role=role.pk, accepted_at=None).exists():
        who = f"{len(holders)} of your people have" if holders else "an invitation gives"
        raise Conflict(f"{who} the role {role.name}: give another one instead first")
    # Sign-in is a layer above this one, and found by its name. Whoever is in the group would get a role that is none.
    mapping = apps.get_model("signin", "GroupMapping")._default_manager.filter(role=role.pk).first()
    if mapping is not None:
        whose = f"the group {mapping.group} of {mapping.provider.name}"
        raise Conflict(f"{whose} gives the role {role.name}: change the provider's groups first")
    role.delete()
    people_told([user.pk])


def _holders(role: CustomRole) -> list[int]:
    members = Membership.objects.filter(role=role.pk).values_list("user_id", flat=True)
    granted = Grant.objects.filter(role=role.pk).values_list("membership__user_id", flat=True)
    return sorted({*members, *granted})


def _allow(role: CustomRole, actions: Collection[str]) -> None:
    unknown = sorted(set(actions) - GRANTABLE)
    if unknown or not actions:
        message = f"There is no action {unknown[0][:40]!r} for a role." if unknown else "Allow at least one action."
        raise InvalidArgument(message, {"fields": {"actions": [message]}})
    role.allowed.exclude(action__in=actions).delete()
    present = set(role.allowed.values_list("action", flat=True))
    for action in sorted(set(actions) - present):
        CustomRoleAction.objects.create(role=role, action=action)


def _save(role: CustomRole, *, is_new: bool) -> None:
    same = CustomRole.objects.filter(name__iexact=role.name)
    if (same if is_new else same.exclude(pk=role.pk)).exists() or role.name.lower() in BUILT_IN:
        raise _taken(role.name)
    try:
        with transaction.atomic():
            role.save(force_insert=is_new)
    except IntegrityError as error:
        raise _taken(role.name) from error


def _key(name: str) -> str:
    """Of the name what an address can show, and a number where that is taken."""
    base = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[: KEY_LENGTH - 4] or "role"
    taken = {*BUILT_IN, *CustomRole.objects.filter(key__startswith=base).values_list("key", flat=True)}
    return next(key for key in (base, *(f"{base}-{number}" for number in range(2, 999))) if key not in taken)


def _name(name: str) -> str:
    name = " ".join(name.split())
    if not name or len(name) > 80 or not name.isprintable():
        message = "Give a name of 1 to 80 characters."
        raise InvalidArgument(message, {"fields": {"name": [message]}})
    return name


def _description(text: str) -> str:
    text = " ".join(text.split())
    if len(text) > 300 or not text.isprintable():
        message = "Give at most 300 characters."
        raise InvalidArgument(message, {"fields": {"description": [message]}})
    return text


def _taken(name: str) -> AlreadyExists:
    message = f"There is a role {name} already: choose another name."
    return AlreadyExists(message, {"fields": {"name": [message]}})
