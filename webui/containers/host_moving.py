"""A host moves to another team, with all that is on it and all that is known of it."""

from __future__ import annotations

from typing import Any

from django.db import transaction

from engine.errors import Conflict, InvalidArgument
from webui.accounts.models import Grant, Team, User
from webui.accounts.roles import require
from webui.accounts.telling import team_told
from webui.audit.recording import entry_record
from webui.containers.log_keeping import settings_send
from webui.hosts.models import Host
from webui.hosts.services import host_publish

IN_THE_WAY = {
    "backups": "backups of its volumes: delete them",
    "backup_places": "places for backups on it: forget them",
}


@transaction.atomic
def host_move(*, user: User, host: Host, team: Team) -> None:
    """Give `host` to `team`. Who asks manages the hosts of both.

    What was granted on it goes, and it leaves its groups. Raises PermissionDenied, InvalidArgument with the field
    `team`, Conflict while jobs run there or backups tie it to its team.
    """
    host = Host.objects.select_for_update(of=("self",)).select_related("team").get(pk=host.pk)
    before = host.team
    require(user, "hosts.manage", before)
    require(user, "hosts.manage", team)
    if team.pk == before.pk:
        message = f"The host {host.name} is of {team.name} already."
        raise InvalidArgument(message, {"fields": {"team": [message]}})
    if host.jobs.unfinished().exists():
        raise Conflict(f"jobs are still going on at {host.name}: wait for them, or cancel them")
    if host.volumes.filter(backup_plans__isnull=False).exists():
        raise Conflict(f"volumes of {host.name} have backup plans: remove those first")
    for name, todo in IN_THE_WAY.items():
        if getattr(host, name).exists():
            raise Conflict(f"{host.name} still has {todo} first")
    users = set(Grant.objects.filter(host=host).values_list("membership__user_id", flat=True))
    users |= set(Grant.objects.filter(group__hosts=host).values_list("membership__user_id", flat=True))
    Grant.objects.filter(host=host).delete()
    host.groups.clear()
    for model, field in of_hosts():
        model._base_manager.filter(**{field: host}).update(team=team)
    host.team = team
    host.save(update_fields=["team"])
    entry_record(
        action="host.move",
        user=user,
        team=before,
        host=host,
        object_id=host.pk,
        object_name=host.name,
        before={"team": before.name},
        after={"team": team.name},
    )
    team_told(before, users=users)
    team_told(team)
    host_publish(host)
    transaction.on_commit(lambda: settings_send(host))


def of_hosts() -> list[tuple[Any, str]]:
    """Models whose rows have a team and lie on a host, with the name of the field that says which."""
    found = []
    for relation in Host._meta.related_objects:
        model = relation.related_model
        if relation.field.many_to_one and any(field.name == "team" for field in model._meta.fields):
            found.append((model, relation.field.name))
    return found
