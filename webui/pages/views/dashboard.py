"""The first page: is everything well, what is running, what was asked for."""

from __future__ import annotations

from typing import Any

from django.db.models import Count, Sum
from django.http import HttpRequest

from webui.containers.models import Container
from webui.hosts.models import Host, HostQuerySet
from webui.hosts.representation import host_as_json
from webui.images.models import Image
from webui.jobs.models import Job
from webui.pages.examples import base_url, first_tag, run_example
from webui.pages.hosting import Hosting, may_add
from webui.pages.page import page
from webui.pages.rows import container_rows, job_rows
from webui.pages.views.containers import FILTERS

SHOWN_CONTAINERS = 8
SHOWN_JOBS = 6


@page("pages/dashboard.html", section="dashboard")
def dashboard(request: HttpRequest) -> dict[str, Any]:
    containers = Container.objects.visible_to(request.user)
    images = Image.objects.visible_to(request.user)
    jobs = Job.objects.visible_to(request.user)
    counts = containers.aggregate(
        total=Count("pk"),
        running=Count("pk", filter=FILTERS["running"]),
        failed=Count("pk", filter=FILTERS["failed"]),
    )
    counts |= images.aggregate(images=Count("pk"), image_bytes=Sum("size_bytes"))
    counts["jobs"] = jobs.unfinished().count()
    counts["jobs_failed"] = jobs.filter(status="failed").count()
    image = first_tag(request)
    hosting = Hosting(request.user)
    hosts = [host_as_json(host) for host in Host.objects.visible_to(request.user).select_related("team")]
    return {
        "counts": counts,
        "hosts": hosts,
        "may_add_host": may_add(request.user),
        "lacking": hosting.lacking(HostQuerySet.view_action),
        "may_create": hosting.offers("containers.create"),
        "may_pull": hosting.offers("images.pull"),
        "may_make_images": hosting.offers("images.create"),
        "containers": container_rows(containers[:SHOWN_CONTAINERS], rights=hosting.rights),
        "jobs": job_rows(jobs[:SHOWN_JOBS], user=request.user),
        "first_image": image,
        "base_url": base_url(request),
        "run_example": run_example(request, image),
    }
