"""Writing to the audit log. Callers are services, in the transaction that makes true what is written, and doors.

What somebody may not do is written by the door that refuses it: the transaction in which it was found out is undone.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db import DatabaseError, transaction
from django.utils import timezone

from engine.errors import EngineError
from webui.accounts.models import Team, User
from webui.asking import asking
from webui.audit.models import AuditEntry, Result
from webui.broadcast import change_publish
from webui.prepared_writes import PreparedInsert, PreparedUpdate

logger = logging.getLogger(__name__)

REFUSALS_A_MINUTE = 60
"""So many refusals of one person, or from one address, are written in a minute: a flood must not fill the disk."""
REFUSALS = ("permission_denied", "resource_exhausted")
ERROR_MAXIMUM = 2000

_NEW = PreparedInsert(AuditEntry)
_END = PreparedUpdate(AuditEntry.objects.order_by(), "job_id", "result", changed=("result", "error"))


def entry_record(
    *,
    action: str,
    user: User | None = None,
    team: Team | None = None,
    host: Any = None,
    object_id: object = "",
    object_name: str = "",
    job_id: UUID | None = None,
    result: Result = Result.SUCCEEDED,
    error: str = "",
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
) -> AuditEntry:
    """Write down an action. `user` is whoever is asking if it is left out; `before` and `after` must hold no secret."""
    present = asking()
    actor = user or present.user
    entry = _NEW.create(
        actor_id=None if actor is None else actor.pk,
        actor_name="" if actor is None else actor.get_username(),
        token=present.token[:80],
        door=present.door,
        address=present.address[:45],
        agent=present.agent[:200],
        action=action,
        team_id=None if team is None else team.pk,
        team_name="" if team is None else team.name,
        host_id="" if host is None else host.pk,
        host_name="" if host is None else host.name,
        object_id=str(object_id)[:512],
        object_name=object_name[:512],
        job_id=job_id,
        result=result,
        error=error[:ERROR_MAXIMUM],
        before=before,
        after=after,
    )
    if job_id is None:  # a job is told of by itself
        change_publish(team_id=entry.team_id or "", kind="audit", action="updated", id=entry.pk, object=None)
    return entry


def job_ended(*, job_id: UUID, result: Result, error: str = "") -> None:
    """The job has ended: its row has its result, once."""
    _END(job_id, Result.ASKED, result, error[:ERROR_MAXIMUM])


def refusal_record(error: EngineError, *, what: str) -> None:
    """Write down that a door has refused something for `error`; `what` names it where the error does not.

    Other errors are no refusals, and are passed over. Never raises: the answer matters more.
    """
    if error.family not in REFUSALS:
        return
    present = asking()
    user = present.user
    try:
        with transaction.atomic():
            if _is_flood(user, present.address):
                return
            team = Team.objects.filter(pk=error.detail.get("team")).first() if error.detail.get("team") else None
            entry_record(
                action=str(error.detail.get("action") or what)[:60],
                user=user,
                team=team,
                object_name=what,
                result=Result.REFUSED,
                error=error.message,
            )
    except DatabaseError:
        logger.exception("a refusal could not be written to the audit log")


def _is_flood(user: User | None, address: str) -> bool:
    recent = AuditEntry.objects.filter(at__gt=timezone.now() - timedelta(minutes=1), result=Result.REFUSED)
    mine = recent.filter(actor_id=user.pk) if user is not None else recent.filter(actor_id=None, address=address)
    return mine.count() >= REFUSALS_A_MINUTE
