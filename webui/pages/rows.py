"""Objects as rows of lists: the JSON of REST and the broadcasts, with what people read added."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from webui.accounts.models import User
from webui.accounts.roles import Rights
from webui.containers.models import Container, ContainerQuerySet, RemovedContainer
from webui.containers.representation import container_as_json
from webui.jobs.models import JobQuerySet
from webui.jobs.representation import job_as_json
from webui.pages.explain import state_of
from webui.pages.templatetags.portside import short


def container_rows(containers: ContainerQuerySet, *, rights: Rights) -> list[dict[str, Any]]:
    """`may` is what `rights` allow with each: rows offer nothing else.

    What they refer to is fetched once: a join would build the same host and team anew for each of a hundred.
    """
    return [
        container_row(container) | {"may": rights.of(container.team_id, host=container.host_id)}
        for container in containers.prefetch_related("host", "team", "created_by")
    ]


def container_row(container: Container) -> dict[str, Any]:
    """`state` is what the mark shows, `note` a word on how it ended."""
    row = container_as_json(container)
    return row | {"state": state_of(row), "note": note_of(row)}


def note_of(row: dict[str, Any]) -> str:
    """`out of memory`, `exit 1`, why it never came to be, what is wanted of it, or nothing: shown below the status."""
    if row["desired_status"] == "removed":
        return "being removed"
    if state_of(row) == "failed":
        return str(row["error"])
    if row["status"] not in ("stopped", "restarting"):
        return ""
    if row["oom_killed"]:
        return "out of memory"
    return "" if row["exit_code"] is None else f"exit {row['exit_code']}"


def job_rows(jobs: JobQuerySet, *, user: User) -> list[dict[str, Any]]:
    """`about` is the name of what the job is about, also of a container that is gone while its log is kept."""
    rows = [job_as_json(job) for job in jobs.select_related("host", "team", "requested_by")]
    names = names_of((row["subject"] for row in rows if row["kind"].startswith("container.")), user=user)
    gone = {row["subject"] for row in rows if row["kind"].startswith("container.")} - names.keys()
    removed = RemovedContainer.objects.visible_to(user).filter(pk__in=gone)
    once = dict(removed.values_list("pk", "name"))
    for row in rows:
        row["container_id"] = row["subject"] if row["subject"] in names else None
        row["about"] = names.get(row["subject"]) or once.get(row["subject"]) or short(row["subject"])
    return rows


def names_of(ids: Iterable[str], *, user: User) -> dict[str, str]:
    """Container id → name, for those that `user` may see."""
    return dict(Container.objects.visible_to(user).filter(pk__in=set(ids)).values_list("pk", "name"))
