"""Folders on their way to a host: who may send one, and what is noted of it once it is there."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Exists, OuterRef

from webui.accounts.models import User
from webui.accounts.roles import require_on
from webui.builds.models import Build, BuildContext
from webui.builds.representation import context_as_json
from webui.hosts.models import Host
from webui.links.stream import host_silent
from webui.links.transfer import ArchiveWish
from worker.contract import sessions

NAME_MAXIMUM = 255
KEPT = timedelta(days=8)
"""A day longer than a host keeps a folder that no build reads (engine/build/kept_contexts.py)."""


def context_send(*, user: User, host: Host, name: str = "") -> tuple[ArchiveWish, Callable[[dict[str, Any]], Any]]:
    """The way for a tar or zip into `host`, and what to do with the host's answer once all of it is there.

    Raises PermissionDenied, Unavailable.
    """
    require_on(user, "builds.create", host)
    if not host.is_online:
        raise host_silent(host)
    context_id = uuid.uuid4()

    def note(result: dict[str, Any]) -> dict[str, Any]:
        context = BuildContext.objects.create(
            id=context_id,
            team=host.team,
            host=host,
            sent_by=user,
            name=name[:NAME_MAXIMUM],
            size_bytes=int(result.get("bytes") or 0),
            files=int(result.get("files") or 0),
        )
        return context_as_json(context)

    return ArchiveWish(host, context_id.hex, sessions.BUILD_CONTEXT, {}), note


def contexts_trim(*, now: datetime) -> int:
    """Forget folders that their hosts have deleted: no build has read them for long. How many that were."""
    before = now - KEPT
    recent = Build.objects.filter(context=OuterRef("pk"), created_at__gte=before)
    unfinished = Build.objects.filter(context=OuterRef("pk"), job__finished_at__isnull=True)
    old = BuildContext.objects.filter(created_at__lt=before).exclude(Exists(recent)).exclude(Exists(unfinished))
    return old.delete()[1].get("builds.BuildContext", 0)
