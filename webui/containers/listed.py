"""Containers of a list, read by the columns that are shown: a model for each row, its host, team and user takes longer
than all the rest.
"""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from django.db.models import QuerySet, TextField
from django.db.models.functions import Cast

from webui.containers.models import Container
from webui.containers.representation import asked_as_json, seen_as_json

KEPT_CHARACTERS = 1 << 14
"""A longer specification is read each time: what thousands of them would take is no cache's to keep."""


class Named(NamedTuple):
    """A host or a team."""

    pk: Any
    name: str


class Person(NamedTuple):
    username: str


class Listed(NamedTuple):
    """Columns of a `Container`, by their names there; `spec` as text, the last four as the columns of others."""

    pk: str
    name: str
    image: str
    image_id: str
    spec: str
    desired_status: str
    observed_status: str
    ip_address: str | None
    observed_userns: str
    userns_problem: str
    apparmor_profile: str
    networks_gone: list[dict[str, Any]]
    health: dict[str, Any] | None
    ports: list[dict[str, Any]]
    mounted: list[dict[str, Any]]
    exit_code: int | None
    oom_killed: bool
    error: str
    restart_count: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    host: Named
    team: Named
    created_by: Person | None


_OWN = Listed._fields[:-3]
_OF_OTHERS = ("host_id", "host__name", "team_id", "team__name", "created_by__username")


def listed(found: QuerySet[Container]) -> list[Listed]:
    """The rows of a query, which may be a part of one already. One query."""
    with_text = found.select_related(None).annotate(text=Cast("spec", TextField()))
    columns = with_text.values_list(*("text" if name == "spec" else name for name in _OWN), *_OF_OTHERS)
    rows: Any = columns
    return [
        Listed(*own, Named(host, host_name), Named(team, team_name), None if person is None else Person(person))
        for *own, host, host_name, team, team_name, person in rows
    ]


def listed_as_json(container: Listed) -> dict[str, Any]:
    """As `container_as_json`. What is in it belongs to all lists: it is to be written down, not changed."""
    is_short = len(container.spec) <= KEPT_CHARACTERS
    return seen_as_json(container, _known(container.spec) if is_short else _asked(container.spec))


def _asked(spec: str) -> dict[str, Any]:
    return asked_as_json(json.loads(spec))


_known = lru_cache(2048)(_asked)
"""What was asked for hardly ever changes, and reading it is half of what a list costs."""
