"""How much of its quotas a team uses. The names of models are texts here, since their services stand on this."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.apps import apps
from django.db.models import Sum

from engine.errors import EngineError
from engine.options import mounts
from webui.accounts.models import Team
from webui.policies.models import TeamPolicy

_COUNTED = {"containers": "containers.Container", "volumes": "volumes.Volume", "networks": "networks.Network"}
_MAKERS = {
    "containers": (),  # whose rows are there from when they are asked for
    "volumes": ("volume.create", "volume.clone", "volume.restore", "container.create", "container.recreate"),
    "networks": ("network.create",),
}
"""Jobs that make some on their hosts, which tell of them later."""
_MEASURED = ("images.Image", "volumes.Volume")


def counted(team: Team, what: str) -> int:
    """How many containers, volumes or networks the team has; those that are being removed or made among them."""
    return int(_rows(_COUNTED[what], team).count()) + len(_coming(team, what))


def new_volumes(team: Team, host_id: str, volumes: Sequence[str], mounts_: Sequence[str]) -> int:
    """How many volumes a container on the host would have made, by its --volume and --mount: those that are neither
    there nor being made."""
    found = {(host_id, name) for name in _volumes("new", volumes, mounts_)}
    return len(found - _there(team, "volumes", found) - _coming(team, "volumes"))


def disk_bytes(team: Team) -> int:
    """What images and volumes take on all hosts, each image whole: what images share on a host counts for each."""
    return sum(_rows(label, team).aggregate(total=Sum("size_bytes"))["total"] or 0 for label in _MEASURED)


def usage_as_json(team: Team, policy: TeamPolicy) -> dict[str, Any]:
    """Each quota that is held by counting: {"used", "quota"}; no quota is null."""
    found = {name: {"used": counted(team, name), "quota": getattr(policy, f"{name}_quota")} for name in _COUNTED}
    return {**found, "disk_bytes": {"used": disk_bytes(team), "quota": policy.disk_quota_bytes}}


def _coming(team: Team, what: str) -> set[tuple[str, str]]:
    """What jobs that have not ended make, as (host, name); not what is there already.

    A volume without a name counts twice from when its host tells of it until the container's job ends.
    """
    jobs = apps.get_model("jobs.Job").objects.unfinished().filter(team=team, kind__in=_MAKERS[what])
    asked = jobs.values_list("pk", "host_id", "kind", "command") if _MAKERS[what] else ()
    found = {(host_id, name) for pk, host_id, kind, command in asked for name in _made(str(pk), kind, command)}
    return found - _there(team, what, found)


def _there(team: Team, what: str, among: set[tuple[str, str]]) -> set[tuple[str, str]]:
    if not among:
        return set()
    names = {name for _, name in among}
    return set(_rows(_COUNTED[what], team).filter(name__in=names).values_list("host_id", "name"))


def _made(job: str, kind: str, command: Mapping[str, Any]) -> Iterator[str]:
    if kind in ("container.create", "container.recreate"):
        return _volumes(job, command.get("volumes", ()), command.get("mounts", ()))
    return iter([command.get("new_name") or command["name"]])


def _volumes(job: str, volumes: Sequence[str], mounts_: Sequence[str]) -> Iterator[str]:
    """Their names; one for which the host makes up a name has one here that no other can have."""
    asked = [*((mounts.volume, text) for text in volumes), *((mounts.mount, text) for text in mounts_)]
    for index, (read, text) in enumerate(asked):
        try:
            found = read(text)
        except EngineError:  # that is told elsewhere
            continue
        if found.kind == mounts.VOLUME:
            yield found.source or f"{index} of {job}"


def _rows(label: str, team: Team) -> Any:
    return apps.get_model(label)._default_manager.filter(team=team)
