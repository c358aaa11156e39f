"""The list of images; pulling and removing go to REST."""

from __future__ import annotations

from typing import Any

from django.db.models import Sum
from django.http import HttpRequest

from webui.hosts.models import Host
from webui.hosts.representation import host_as_json
from webui.images.models import Image
from webui.jobs.models import Job
from webui.pages.examples import pull_example
from webui.pages.page import page
from webui.pages.rows import image_rows, job_rows

SHOWN = 500


@page("pages/images.html", section="images")
def images(request: HttpRequest) -> dict[str, Any]:
    visible = Image.objects.visible_to(request.user)
    query = request.GET.get("q", "").strip()[:200]
    rows = image_rows(visible[:SHOWN], user=request.user)
    if query:
        rows = [row for row in rows if any(query.lower() in text.lower() for text in (*row["tags"], row["image_id"]))]
    hosts = Host.objects.visible_to(request.user).select_related("team")
    pulls = Job.objects.visible_to(request.user).unfinished().filter(kind__in=("image.pull", "image.starter"))
    return {
        "query": query,
        "images": rows,
        "total": visible.count(),
        "total_bytes": visible.aggregate(sum=Sum("size_bytes"))["sum"],
        "hosts": [host_as_json(host) for host in hosts],
        "pulls": job_rows(pulls, user=request.user),
        "open_pull": "pull" in request.GET,
        "pull_example": pull_example(request),
    }
