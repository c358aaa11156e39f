"""How much of its quotas a team uses. The names of models are texts here, since their services stand on this."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.db.models import Sum

from webui.accounts.models import Team
from webui.policies.models import TeamPolicy

_COUNTED = {"containers": "containers.Container", "volumes": "volumes.Volume", "networks": "networks.Network"}
_MEASURED = ("images.Image", "volumes.Volume")


def counted(team: Team, what: str) -> int:
    """How many containers, volumes or networks the team has; those that are being removed among them."""
    return int(_rows(_COUNTED[what], team).count())


def disk_bytes(team: Team) -> int:
    """What images and volumes take on all hosts, each image whole: what images share on a host counts for each."""
    return sum(_rows(label, team).aggregate(total=Sum("size_bytes"))["total"] or 0 for label in _MEASURED)


def usage_as_json(team: Team, policy: TeamPolicy) -> dict[str, Any]:
    """Each quota that is held by counting: {"used", "quota"}; no quota is null."""
    found = {name: {"used": counted(team, name), "quota": getattr(policy, f"{name}_quota")} for name in _COUNTED}
    return {**found, "disk_bytes": {"used": disk_bytes(team), "quota": policy.disk_quota_bytes}}


def _rows(label: str, team: Team) -> Any:
    return apps.get_model(label)._default_manager.filter(team=team)
