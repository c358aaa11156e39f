"""Invitations: a link lets one person into a team, once, while who sent it may still give that role."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from engine.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied
from webui.accounts.giving import require_no_less
from webui.accounts.membership import membership_make
from webui.accounts.models import Invitation, Membership, Team, User
from webui.accounts.people import person_make
from webui.accounts.roles import require
from webui.accounts.telling import team_told
from webui.accounts.tokens import require_unlimited

DAYS, DAYS_MAXIMUM = 7, 30
OPEN_MAXIMUM = 200


@transaction.atomic
def invitation_create(*, user: User, team: Team, role: str, note: str = "", days: int = DAYS) -> tuple[Invitation, str]:
    """A new invitation, and the secret of its link, which is shown this once. `note`: for whom it is meant.

    Raises PermissionDenied, InvalidArgument with the fields.
    """
    require(user, "members.manage", team)
    require_no_less(user, team, role)
    note = " ".join(note.split())
    if len(note) > 120 or not note.isprintable():
        raise _wrong("note", "Give at most 120 characters.")
    if not 1 <= days <= DAYS_MAXIMUM:
        raise _wrong("days", f"An invitation lasts 1 to {DAYS_MAXIMUM} days.")
    if team.invitations.filter(accepted_at=None).count() >= OPEN_MAXIMUM:
        raise _wrong("note", f"{OPEN_MAXIMUM} invitations are open already: withdraw some.")
    secret = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        team=team,
        invited_by=user,
        role=role,
        note=note,
        digest=_digest(secret),
        expires_at=timezone.now() + timedelta(days=days),
    )
    team_told(team)
    return invitation, secret


@transaction.atomic
def invitation_withdraw(*, user: User, invitation: Invitation) -> None:
    """Raises PermissionDenied."""
    require(user, "members.manage", invitation.team)
    invitation.delete()
    team_told(invitation.team)


def invitation_find(secret: str, *, lock: bool = False) -> Invitation:
    """The invitation of a link. Raises NotFound, whatever is wrong with it: whoever tries learns nothing."""
    rows = Invitation.objects.select_related("team", "invited_by")
    rows = rows.select_for_update(of=("self",)) if lock else rows
    found = rows.filter(digest=_digest(secret), accepted_at=None, expires_at__gt=timezone.now()).first()
    if found is not None:
        try:
            require(found.invited_by, "members.manage", found.team)
            require_no_less(found.invited_by, found.team, found.role)
        except (PermissionDenied, InvalidArgument):
            found = None
    if found is None:
        raise NotFound("this invitation was used, withdrawn or has ended: ask for a new link")
    return found


@transaction.atomic
def invitation_accept(*, user: User, secret: str) -> Membership:
    """Join as who one is. Raises NotFound, AlreadyExists for a member, PermissionDenied with a limited token."""
    require_unlimited(user)
    if user.service_of_id is not None:
        raise PermissionDenied("an invitation is for a person: a maintainer adds a service account")
    return _accept(invitation_find(secret, lock=True), user)


@transaction.atomic
def invitation_sign_up(*, secret: str, username: str, password: str, name: str = "", email: str = "") -> User:
    """Join as somebody new. Raises NotFound, InvalidArgument and AlreadyExists with the fields."""
    invitation = invitation_find(secret, lock=True)
    made = person_make(username, password, name=name, email=email)
    _accept(invitation, made)
    return made


def _accept(invitation: Invitation, user: User) -> Membership:
    if invitation.team.memberships.filter(user=user).exists():
        raise AlreadyExists(f"you are in {invitation.team.name} already: the invitation stays for somebody else")
    invitation.accepted_at, invitation.accepted_by = timezone.now(), user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    return membership_make(user, invitation.team, invitation.role)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _wrong(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(message, {"fields": {field: [message]}})
