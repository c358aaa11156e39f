"""The list of containers, one container, and the form that makes one."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Count, Q
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from webui.accounts.roles import LOOSEN, actions_of
from webui.activity.health import health_results
from webui.containers import publishing
from webui.containers.models import Container, RemovedContainer
from webui.containers.networks_now import joined_like
from webui.containers.representation import removed_as_json
from webui.hosts.models import Host
from webui.hosts.representation import host_as_json
from webui.images.models import Image
from webui.jobs.models import Job
from webui.pages import options, words
from webui.pages.examples import first_tag, run_example
from webui.pages.explain import explain
from webui.pages.hosting import Hosting, may_add
from webui.pages.image_news import newer_image_of
from webui.pages.networking import networking
from webui.pages.page import page
from webui.pages.rows import container_row, container_rows, job_rows
from webui.volumes.models import Volume

PAGE_SIZE = 100
# Being killed (137) or asked to end (143) is no fault where somebody asked for it.
ENDED_BADLY = Q(observed_status="stopped", exit_code__gt=0) & (
    Q(desired_status="running") | ~Q(exit_code__in=(137, 143))
)
REPLACING = {"containers.create", "containers.operate", "containers.update", "containers.remove"}
FILTERS = {
    "running": Q(observed_status__in=("running", "paused", "restarting")),
    "stopped": Q(observed_status__in=("stopped", "created")),
    "failed": ~Q(error="") | Q(oom_killed=True) | ENDED_BADLY,
}


@page("pages/containers.html", section="containers")
def containers(request: HttpRequest) -> dict[str, Any]:
    visible = Container.objects.visible_to(request.user)
    query, status = request.GET.get("q", "").strip()[:200], request.GET.get("status", "")
    hosting = Hosting(request.user)
    host = next((pk for pk, name in hosting.seen if request.GET.get("host") in (pk, name)), "")
    found = visible.filter(Q(name__icontains=query) | Q(image__icontains=query) | Q(id__startswith=query.lower()))
    if host:
        found = found.filter(host=host)
    counts = found.aggregate(all=Count("pk"), **{name: Count("pk", filter=where) for name, where in FILTERS.items()})
    if status in FILTERS:
        found = found.filter(FILTERS[status])
    shown = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    return {
        "query": query,
        "host": host,
        "status": status if status in FILTERS else "",
        "counts": counts,
        "total": visible.count() if query or status or host else counts["all"],
        "page": shown,
        "removed": RemovedContainer.objects.visible_to(request.user).count(),
        "containers": container_rows(shown.object_list, rights=hosting.rights),
        "several_hosts": hosting.several,
        "hosts": hosting.seen,
        "away": hosting.away,
        "run_example": run_example(request, first_tag(request)),
        "may_create": hosting.offers("containers.create"),
        "may_operate": hosting.may("containers.operate"),
        "may_remove": hosting.may("containers.remove"),
    }


def _with_page(mount: dict[str, Any], volumes: Mapping[str, int], images: Collection[str]) -> dict[str, Any]:
    """With what the page of its volume or image is found by, if there is one."""
    if mount["type"] == "image":
        return mount | {"image_hex": mount["source"].removeprefix("sha256:") if mount["source"] in images else ""}
    return mount | {"volume_id": volumes.get(mount["name"])}


@page("pages/container.html", section="containers")
def container(request: HttpRequest, container_id: str) -> dict[str, Any]:
    visible = Container.objects.visible_to(request.user).select_related("host", "team", "created_by")
    found = get_object_or_404(visible, pk=container_id)
    row = container_row(found)
    volumes = dict(Volume.objects.visible_to(request.user).filter(host=found.host_id).values_list("name", "pk"))
    allowed = actions_of(request.user, found.team, host=found.host_id)
    images = list(Image.objects.visible_to(request.user).filter(host=found.host).only("image_id", "tags", "newer"))
    row["mounted"] = [_with_page(mount, volumes, {one.image_id for one in images}) for mount in row["mounted"]]
    return {
        "image_hex": next((one.image_id[7:] for one in images if one.image_id == found.image_id), ""),
        "newer_image": newer_image_of(found, images),
        "container": row,
        "explanation": explain(row),
        "image_config": Image.objects.visible_to(request.user)
        .filter(host=found.host, image_id=found.image_id)
        .values_list("config", flat=True)
        .first(),
        "creation": creation_of(request, found),
        "host": found.host,
        "host_online": found.host.is_online,
        "may_operate": "containers.operate" in allowed,
        "may_create": "containers.create" in allowed,
        "may_exec": "containers.exec" in allowed,
        "may_read_logs": "containers.logs" in allowed,
        "may_read_files": "containers.read" in allowed,
        "may_remove": allowed >= {"containers.update", "containers.remove"},
        "may_recreate": allowed >= REPLACING and not row["auto_remove"],
        "may_pull_again": not found.image.startswith("sha256:"),
        "record_terminals": found.team.record_terminals,
        "restart_words": words.RESTART,
        "throttles": options.RATES,
        "options": options.chosen(row),
        "networking": networking(found),
        "health_results": health_results(found),
    }


@page("pages/removed.html", section="containers")
def removed(request: HttpRequest) -> dict[str, Any]:
    """Removed containers whose logs are kept."""
    visible = RemovedContainer.objects.visible_to(request.user).select_related("host", "team")
    query = request.GET.get("q", "").strip()[:200]
    found = visible.filter(Q(name__icontains=query) | Q(image__icontains=query) | Q(id__startswith=query.lower()))
    shown = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    return {
        "query": query,
        "page": shown,
        "containers": [removed_as_json(one) for one in shown.object_list],
        "several_hosts": Host.objects.visible_to(request.user).count() > 1,
    }


@page("pages/removed_log.html", section="containers")
def removed_log(request: HttpRequest, container_id: str) -> dict[str, Any]:
    visible = RemovedContainer.objects.visible_to(request.user).select_related("host", "team")
    found = get_object_or_404(visible, pk=container_id)
    return {"container": removed_as_json(found), "host_online": found.host.is_online}


@page("pages/container_new.html", section="containers")
def container_new(request: HttpRequest) -> dict[str, Any]:
    allowed = Host.objects.visible_to(request.user, "containers.create").select_related("team")
    hosts = [host_as_json(host) | {"publishing": publishing_of(request, host)} for host in allowed]
    images = Image.objects.visible_to(request.user).values_list("host_id", "tags", "config")
    like = like_of(request)
    return {
        "hosts": hosts,
        "lacking": "" if hosts else Hosting(request.user).lacking("containers.create"),
        "may_add_host": not hosts and may_add(request.user),
        "suggestions": [
            {"host": host_id, "tag": tag, "ports": sorted(config.get("exposed_ports") or {})}
            for host_id, tags, config in images
            for tag in tags
        ],
        "image": request.GET.get("image", ""),
        "volume": request.GET.get("volume", ""),
        "chosen_host": request.GET.get("host", ""),
        "like": like,
        "may_replace": like is not None and REPLACING.issubset(like["may"]) and not like.get("auto_remove"),
        **options.form_context(request.user),
        "restart_words": words.RESTART,
    }


def publishing_of(request: HttpRequest, host: Host) -> dict[str, str]:
    """`default`: where ports of its team are published; `said`: where they may be, empty for who may anywhere."""
    anywhere = LOOSEN in actions_of(request.user, host.team, host=host)
    return {"default": host.team.publish_default, "said": "" if anywhere else publishing.said(host.team)}


def like_of(request: HttpRequest) -> dict[str, Any] | None:
    """`?like=ID` fills the form from a container that is there: with what was asked for, so a free port stays free."""
    found = Container.objects.visible_to(request.user).filter(pk=request.GET.get("like", "")).first()
    if found is None:
        return None
    row = container_row(found) | {"may": sorted(actions_of(request.user, found.team, host=found.host))}
    return row | joined_like(found) | {"ports": found.spec.get("ports", row["ports"])}


def creation_of(request: HttpRequest, container: Container) -> dict[str, Any] | None:
    """The job that is still making the container, or another in its place: it may have an image to pull, which takes
    its time."""
    alone = Q(kind="container.create", subject=container.pk)
    in_place = Q(kind="container.recreate") & (Q(command__container_id=container.pk) | Q(subject=container.pk))
    jobs = Job.objects.visible_to(request.user).unfinished().filter(alone | in_place)
    return next(iter(job_rows(jobs, user=request.user)), None)
