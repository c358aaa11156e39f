"""What was asked for: by whom, how long it took, how it went."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import Http404, HttpRequest

from webui.builds.models import Build
from webui.hosts.models import Host
from webui.hosts.representation import host_as_json
from webui.jobs.models import FINISHED, Job
from webui.pages import words
from webui.pages.page import page
from webui.pages.rows import job_rows

PAGE_SIZE = 50
FILTERS = {
    "active": ~Q(status__in=FINISHED),
    "failed": Q(status="failed"),
    "succeeded": Q(status="succeeded"),
}


@page("pages/jobs.html", section="jobs")
def jobs(request: HttpRequest) -> dict[str, Any]:
    visible = Job.objects.visible_to(request.user)
    status = request.GET.get("status", "")
    counts = visible.aggregate(all=Count("pk"), **{name: Count("pk", filter=where) for name, where in FILTERS.items()})
    found = visible.filter(FILTERS[status]) if status in FILTERS else visible
    shown = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    return {
        "status": status if status in FILTERS else "",
        "counts": counts,
        "page": shown,
        "several_hosts": Host.objects.visible_to(request.user).count() > 1,
        "jobs": job_rows(shown.object_list, user=request.user),
    }


@page("pages/job.html", section="jobs")
def job(request: HttpRequest, job_id: UUID) -> dict[str, Any]:
    rows = job_rows(Job.objects.visible_to(request.user).filter(pk=job_id), user=request.user)
    if not rows:
        raise Http404
    row = rows[0]
    build = Build.objects.visible_to(request.user).filter(job=job_id).only("pk").first()
    may_cancel = Job.objects.visible_to(request.user, "jobs.cancel").filter(pk=job_id).exists()
    return {
        "job": row,
        "host": host_as_json(Host.objects.select_related("team").get(pk=row["host"]["id"])),
        "build": build.pk.hex if build else None,
        "details": _details((row["error"] or {}).get("detail") or {}),
        "may_cancel": may_cancel,
        "advice": words.ADVICE.get((row["error"] or {}).get("family", ""), ""),
    }


def _details(detail: dict[str, Any]) -> dict[str, Any]:
    """What an error knows beside its message, without what the message shows: a problem's place in a Dockerfile."""
    told = {"problem", "file", "line", "column", "end_line", "end_column", "excerpt"} if "excerpt" in detail else set()
    return {
        name: "\n".join(map(str, value)) if isinstance(value, list) else value
        for name, value in detail.items()
        if name not in told
    }
