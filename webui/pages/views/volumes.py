"""Volumes on all hosts, and one volume; what is done with them goes to REST."""

from __future__ import annotations

import json
from typing import Any

from django.core.paginator import Paginator
from django.db.models import F, Q
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from webui.accounts.roles import LOOSEN, Rights
from webui.backups.models import Backup, BackupPlace, BackupPlan
from webui.backups.representation import backup_as_json, plan_as_json
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.hosts.representation import host_as_json
from webui.pages.examples import volume_example
from webui.pages.page import page
from webui.pages.rows import container_rows
from webui.volumes.models import Volume
from webui.volumes.representation import volume_as_json
from webui.volumes.using import Users, mounted_names, mounts_of

PAGE_SIZE = 100
USERS_SHOWN = 5
BACKUPS_SHOWN = 50
MEBIBYTE = 1 << 20
SPANS = ((1, "Day"), (7, "Week"), (30, "Month"), (0, "All"))
"""Days that the size is drawn over; 0: all that is known."""
SORTS = {
    "name": ("name", "pk"),
    "size": (F("size_bytes").desc(nulls_last=True), "pk"),
    "created": ("-created_at", "-pk"),
}
FILTERS = (("", "All"), ("used", "In use"), ("unused", "Unused"), ("anonymous", "Anonymous"))
_KINDS = {"": "files on the host", "tmpfs": "in memory", "nfs": "file server", "nfs4": "file server"}


@page("pages/volumes.html", section="volumes")
def volumes(request: HttpRequest) -> dict[str, Any]:
    visible = Volume.objects.visible_to(request.user).select_related("host", "team")
    query = request.GET.get("q", "").strip()[:200]
    sort, status = request.GET.get("sort", ""), request.GET.get("status", "")
    sort, status = sort if sort in SORTS else "created", status if status in dict(FILTERS) else ""
    found = visible.filter(name__icontains=query).filter(_of(status)).order_by(*SORTS[sort])
    shown = Paginator(found, PAGE_SIZE).get_page(request.GET.get("page"))
    rights = Rights(request.user)
    users = Users()
    hosts = Host.objects.visible_to(request.user).select_related("team")
    return {
        "query": query,
        "status": status,
        "sort": sort,
        "filters": FILTERS,
        "page": shown,
        "total": visible.count(),
        "volumes": [
            volume_row(one, users, "volumes.remove" in rights.of(one.team_id, host=one.host_id))
            for one in shown.object_list
        ],
        "hosts": [host_as_json(host) for host in hosts],
        "may_create": Host.objects.visible_to(request.user, "volumes.create").exists(),
        "may_loosen": Host.objects.visible_to(request.user, "hosts.loosen").exists(),
        "volume_example": volume_example(request),
    }


@page("pages/volume.html", section="volumes")
def volume(request: HttpRequest, volume_id: int) -> dict[str, Any]:
    """Its parts are in templates/pages/volume/: a new section is a tab, a panel, and a line in js/pages/volume.js."""
    visible = Volume.objects.visible_to(request.user).select_related("host", "team")
    found = get_object_or_404(visible, pk=volume_id)
    rights = Rights(request.user, found.team)
    allowed = rights.of(found.team_id, host=found.host_id)
    mounts = mounts_of(found)
    having = Container.objects.visible_to(request.user).filter(pk__in=list(mounts)).order_by("name")
    users = container_rows(having, rights=rights)
    places = BackupPlace.objects.visible_to(request.user).filter(team=found.team)
    backups = Backup.objects.visible_to(request.user).of(found).select_related("place", "host")
    return {
        "volume": volume_row(found, Users(), "volumes.remove" in allowed),
        "users": [row | {"places": mounts[row["id"]]} for row in users],
        "host_online": found.host.is_online,
        "files": {
            "base": f"/api/v1/volumes/{found.pk}/files/",
            "title": found.name[:12] if found.is_anonymous else found.name,
            "may_read": "volumes.read" in allowed,
            "may_write": "volumes.write" in allowed,
        },
        "size_spans": SPANS,
        "limit_mebibytes": "" if found.limit_bytes is None else f"{found.limit_bytes / MEBIBYTE:g}",
        "places": [_place_row(place) for place in places if place.host_id in (None, found.host_id)],
        "plans": [_plan_row(plan) for plan in found.backup_plans.select_related("place")],
        "backups": [backup_as_json(one) for one in backups[:BACKUPS_SHOWN]],
        "may_manage": "backups.places" in allowed,
        "may_loosen": LOOSEN in allowed,
        "may_operate": "volumes.operate" in allowed,
        "may_create": allowed >= {"volumes.update", "volumes.remove"},
    }


def _place_row(place: BackupPlace) -> dict[str, Any]:
    """`form`: what its dialog is filled with to change it; the secret key is not among it."""
    about = {"id": place.pk, "name": place.name, "kind": str(place.kind), "settings": place.settings}
    filled = {**place.settings, "name": place.name, "kind": str(place.kind), "access_key": place.access_key}
    return {**about, "tried": place.tried, "form": json.dumps(filled)}


def _plan_row(plan: BackupPlan) -> dict[str, Any]:
    """As `_place_row`."""
    filled = {name: getattr(plan, name) for name in ("schedule", "keep", "pause")}
    form = {**filled, "place": str(plan.place_id), "enabled": plan.is_enabled}
    return {**plan_as_json(plan), "form": json.dumps(form)}


def _of(status: str) -> Q:
    """Which rows a filter shows."""
    if status == "anonymous":
        return Q(is_anonymous=True)
    if not status:
        return Q()
    used = Q(pk__in=[])
    for host_id, names in mounted_names().items():
        used |= Q(host=host_id, name__in=names)
    return used if status == "used" else ~used


def volume_row(volume: Volume, users: Users, may_create: bool) -> dict[str, Any]:
    """REST's JSON; `kind` in words, `options` as typed, the first `used_by` and how many more (`used_more`)."""
    row = volume_as_json(volume, users)
    opts = volume.driver_opts
    return row | {
        "title": volume.name[:12] if volume.is_anonymous else volume.name,
        "kind": _KINDS.get(opts.get("type", ""), "directory of the host"),
        "options": " ".join(f"{key}={opts[key]}" for key in ("device", "o") if opts.get(key, "tmpfs") != "tmpfs"),
        "used_by": row["used_by"][:USERS_SHOWN],
        "used_more": max(0, len(row["used_by"]) - USERS_SHOWN),
        "may_create": may_create,
    }
