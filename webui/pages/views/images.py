"""Images on all hosts, and one image; what is done with them goes to REST."""

from __future__ import annotations

import re
from typing import Any

from django.db.models import Sum
from django.http import Http404, HttpRequest

from webui.accounts.roles import Rights
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.hosts.representation import host_as_json
from webui.images.models import Image
from webui.jobs.models import Job
from webui.pages.examples import load_example, pull_example
from webui.pages.hosting import Hosting
from webui.pages.image_rows import image_groups, image_page, image_places
from webui.pages.page import page
from webui.pages.rows import container_rows, job_rows

SHOWN = 500
CARDS = ("image.pull", "image.push", "image.starter", "image.fsck")
"""Jobs that are worth a card with their progress while they run."""
_DIGITS = re.compile(r"[0-9a-f]{64}")


@page("pages/images.html", section="images")
def images(request: HttpRequest) -> dict[str, Any]:
    visible = Image.objects.visible_to(request.user)
    query = request.GET.get("q", "").strip()[:200].replace("\0", "")
    shown = image_page(visible, query=query, before=request.GET.get("before", ""))
    rows = image_groups(visible.filter(image_id__in=shown.image_ids), user=request.user)
    rows.sort(key=lambda row: shown.image_ids.index(row["image_id"]))
    hosts = Host.objects.visible_to(request.user).select_related("team")
    jobs = Job.objects.visible_to(request.user).unfinished().filter(kind__in=CARDS)
    hosting = Hosting(request.user)
    return {
        "query": query,
        "images": rows,
        "total": visible.values("image_id").distinct().count(),
        "older": shown.older,
        "is_older": shown.is_older,
        "total_bytes": visible.aggregate(sum=Sum("size_bytes"))["sum"],
        "hosts": [host_as_json(host) for host in hosts],
        "may_create": hosting.may("images.pull"),
        "pulls": job_rows(jobs, user=request.user),
        "may_cancel": hosting.may("jobs.cancel"),
        "may_pull": hosting.offers("images.pull"),
        "open_pull": "pull" in request.GET,
        "pull_example": pull_example(request),
        "load_example": load_example(request),
    }


@page("pages/image.html", section="images")
def image(request: HttpRequest, digits: str) -> dict[str, Any]:
    """`?host=` chooses the host that is asked for its layers; the first that is online otherwise."""
    if not _DIGITS.fullmatch(digits):
        raise Http404
    rows = Image.objects.visible_to(request.user).filter(image_id=f"sha256:{digits}").select_related("host", "team")
    places = image_places(sorted(rows, key=lambda row: (not row.host.is_online, row.host.name)), user=request.user)
    if not places:
        raise Http404
    wanted = request.GET.get("host", "")
    chosen = next((place for place in places if wanted in (place["host"]["id"], place["host"]["name"])), places[0])
    on_hosts = [place["host"]["id"] for place in places]
    on_these = Container.objects.visible_to(request.user).filter(host__in=on_hosts)
    containers = on_these.using_images([f"sha256:{digits}"])
    jobs = Job.objects.visible_to(request.user).unfinished().filter(kind__in=CARDS, host=chosen["host"]["id"])
    return {
        "image": chosen | {"title": chosen["tags"][0] if chosen["tags"] else chosen["short_id"], "hex": digits},
        "places": places,
        "may_cancel": "jobs.cancel" in chosen["may"],
        "may_create": bool({"images.pull", "images.push"} & chosen["may"]),
        "containers": container_rows(containers[:SHOWN], rights=Rights(request.user)),
        "pulls": job_rows(jobs.filter(subject__in=_familiar(chosen)), user=request.user),
    }


def _familiar(image: dict[str, Any]) -> list[str]:
    """What the jobs of this image are about."""
    return [tag.removeprefix("docker.io/library/").removeprefix("docker.io/") for tag in image["tags"]]
