"""A host that is away for good is forgotten, with all that the site knows of it."""

from __future__ import annotations

import logging
from typing import Any

import redis
from django.db import transaction
from django.utils import timezone

from engine.errors import Conflict
from webui.accounts.models import Grant, User
from webui.accounts.roles import require
from webui.accounts.telling import team_told
from webui.audit.recording import entry_record
from webui.broadcast import broker, change_publish, gathered
from webui.hosts.models import Host
from webui.jobs import services as jobs
from webui.jobs.models import JobStatus
from worker.contract import keys

logger = logging.getLogger(__name__)

HELD = {
    "containers": ("container", "containers"),
    "volumes": ("volume", "volumes"),
    "backups": ("backup", "backups"),
    "backup_places": ("place for backups", "places for backups"),
    "build_rules": ("rule of builds", "rules of builds"),
}
"""What may be missed, by the name that the host has for it; how one and how several are called."""
SHOWN = {"containers": "container", "images": "image", "networks": "network", "volumes": "volume"}
"""What open pages show, by the kind of the changes that they hear of."""


@gathered()
def host_forget(*, user: User, host: Host, force: bool = False) -> None:
    """Delete `host` with all that is known of it; what is asked of it and has not ended fails. The machine itself is
    not touched: containers that run there run on, and its worker, if it ever calls again, is a new host.

    Raises PermissionDenied, and Conflict while its worker runs, or, without `force`, while there is something of it
    that may be missed.
    """
    with transaction.atomic():
        host = Host.objects.select_for_update(of=("self",)).select_related("team").get(pk=host.pk)
        require(user, "hosts.manage", host.team)
        if host.is_online:
            raise Conflict(f"the host {host.name} is there: stop its worker first, or it would register again at once")
        held = held_by(host)
        if held and not force:
            raise Conflict(
                f"with {host.name} the site would forget {held_words(held)}: use force (force=true, --force) if "
                "they are not needed any more; what runs there runs on"
            )
        _fail_jobs(host)
        for name, kind in SHOWN.items():
            for row_id, team_id in getattr(host, name).values_list("pk", "team_id"):
                change_publish(team_id=team_id, kind=kind, action="removed", id=row_id, object=None)
        users = set(Grant.objects.filter(host=host).values_list("membership__user_id", flat=True))
        users |= set(Grant.objects.filter(group__hosts=host).values_list("membership__user_id", flat=True))
        entry_record(
            action="host.forget",
            user=user,
            team=host.team,
            host=host,
            object_id=host.pk,
            object_name=host.name,
            before=held,
        )
        host_id, team = host.pk, host.team
        host.builds.all().delete()  # before their jobs, which they protect
        host.delete()
        change_publish(team_id=team.pk, kind="host", action="removed", id=host_id, object=None)
        team_told(team, users=users)
        transaction.on_commit(lambda: _clear_broker(host_id))


def held_by(host: Host) -> dict[str, int]:
    """How many there are of what may be missed, by the names of HELD; nothing of which there is none."""
    return {name: count for name in HELD if (count := getattr(host, name).count())}


def held_words(held: dict[str, int]) -> str:
    """What `held_by` has found, as "3 containers and 1 volume"; empty for nothing."""
    parts = [f"{count} {HELD[name][count > 1]}" for name, count in held.items()]
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def _fail_jobs(host: Host) -> None:
    """Who waits for them is told; the rows go with the host."""
    error = {
        "family": "unavailable",
        "message": f"the host {host.name} was forgotten before it came back",
        "detail": {},
    }
    finished: dict[str, Any] = {"status": JobStatus.FAILED, "at": timezone.now(), "error": error}
    for job in jobs.jobs_unfinished(host=host):
        if jobs.job_apply(job=job, finished=finished):
            jobs.job_broadcast(job)


def _clear_broker(host_id: str) -> None:
    """Secrets of tasks may lie in its queue; a new host of this id begins with its journal's first number."""
    names = (keys.queue(host_id), keys.control(host_id), keys.acknowledged(host_id), keys.stats(host_id))
    try:
        broker().delete(*names)
    except redis.RedisError as error:
        logger.warning("what the broker has of the forgotten host %s stays there: %s", host_id, error)
