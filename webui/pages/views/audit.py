"""The audit log for people: the newest first, by filters; what changed unfolds."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from engine.errors import InvalidArgument
from webui.accounts import seeing
from webui.audit.models import VIEW_AUDIT, AuditEntry, Result
from webui.audit.query import PARAMETERS, AuditQuery
from webui.audit.representation import entry_as_json
from webui.pages import words
from webui.pages.page import page
from webui.parameters import known_check

PAGE_SIZE = 100
FIELDS = ("search", "actor", "action", "result", "since", "until")
DOORS = {
    "pages": "the pages",
    "rest": "REST",
    "socket": "a socket",
    "docker": "the Docker API",
    "console": "the command line",
    "site": "the site itself",
}


@page("pages/audit.html", section="audit")
def audit(request: HttpRequest) -> dict[str, Any]:
    given = {name: [value for value in values if value] for name, values in request.GET.lists()}
    trouble = ""
    try:
        known_check(given, PARAMETERS)
        query = AuditQuery.from_parameters(_days(given))
    except InvalidArgument as error:
        query, trouble = AuditQuery(), error.message
    found = list(query.rows(request.user)[: PAGE_SIZE + 1])
    shown = found[:PAGE_SIZE]
    chosen = {name: given[name][0] for name in FIELDS if given.get(name)}
    older = request.GET.copy()
    if shown:
        older["before"] = str(shown[-1].pk)
    return {
        "entries": [row(entry) for entry in shown],
        "chosen": chosen,
        "is_filtered": bool(chosen) or "before" in given,
        "results": Result.choices,
        "sees_teams": request.user.is_superuser or _sees_teams(request),
        "older": f"?{older.urlencode()}" if len(found) > PAGE_SIZE else None,
        "export": f"/api/v1/audit/export/?{_without(request, 'before', 'after')}",
        "trouble": trouble,
        "is_live": "before" not in given,
    }


def row(entry: AuditEntry) -> dict[str, Any]:
    """An entry with what the page says of it: its action in words, and each changed field, before and after."""
    before, after = entry.before or {}, entry.after or {}
    names = sorted({*before, *after})
    return entry_as_json(entry) | {
        "at": entry.at,
        "words": words.action(entry.action),
        "through": DOORS.get(entry.door, entry.door),
        "changes": [
            {"name": name, "before": words.plain(before.get(name)), "after": words.plain(after.get(name))}
            for name in names
        ],
        "has_before": bool(before),
    }


def _sees_teams(request: HttpRequest) -> bool:
    user = request.user
    return not seeing.is_ruled_out(user, VIEW_AUDIT) and seeing.whole_teams(user, VIEW_AUDIT).exists()


def _days(given: dict[str, list[str]]) -> dict[str, list[str]]:
    """What a date field gives, a day, is its first moment in UTC; an `until` day is meant whole, and so is `since`."""
    found = dict(given)
    for name, moment in (("since", "00:00:00"), ("until", "23:59:59.999999")):
        found[name] = [f"{text}T{moment}Z" if len(text) == 10 else text for text in given.get(name, [])]
    return found


def _without(request: HttpRequest, *names: str) -> str:
    query = request.GET.copy()
    for name in (*names, *(set(query) - PARAMETERS)):  # REST refuses what it doesn't know
        query.pop(name, None)
    for name in ("since", "until"):
        if (values := _days(dict(request.GET.lists())).get(name)) and values[0]:
            query[name] = values[0]
    return query.urlencode()
