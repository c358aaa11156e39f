"""How long the logs of removed containers are kept: a team's wish, which its hosts are told.

A host keeps what it was told last. It is told when its worker starts, and when the wish changes; one that is away
hears of it when it comes back.
"""

from __future__ import annotations

from django.db import transaction

from engine.errors import InvalidArgument
from webui.accounts.models import Team, User
from webui.accounts.roles import require
from webui.hosts.models import Host
from webui.jobs.dispatch import control_send
from webui.policies.reading import policy_of
from worker.contract.frames import HostSettings

DAYS_MAXIMUM = 3650
DAY_SECONDS = 86_400.0
HOST_BYTES = 2 << 30
"""How much of them a host keeps at most: the oldest go first."""


@transaction.atomic
def team_keep_logs(*, user: User, team: Team, days: int) -> None:
    """Keep the logs of the team's removed containers so many days; 0: they go with the container.

    Raises PermissionDenied, InvalidArgument with the field `keep_logs_days`.
    """
    require(user, "team.manage", team)
    if not 0 <= days <= DAYS_MAXIMUM:
        message = f"Give a number of days from 0 to {DAYS_MAXIMUM}."
        raise InvalidArgument(message, {"fields": {"keep_logs_days": [message]}})
    team.keep_logs_days = days
    team.save(update_fields=["keep_logs_days"])
    for host in Host.objects.filter(team=team).select_related("team"):
        transaction.on_commit(lambda host=host: settings_send(host))  # type: ignore[misc]


def settings_send(host: Host) -> bool:
    """Tell a host what its team wants; False when the broker is away."""
    policy = policy_of(host.team)
    message = HostSettings(
        keep_logs_seconds=host.team.keep_logs_days * DAY_SECONDS,
        keep_logs_bytes=HOST_BYTES,
        memory_bytes=policy.host_memory_bytes,
        cpus=policy.host_cpus,
        pids=policy.host_pids,
    )
    return control_send(host.pk, message)
