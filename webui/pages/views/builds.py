"""Builds: all of them, one with its steps, and the form that begins one; what is done goes to REST."""

from __future__ import annotations

import json
import re
from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest

from webui.accounts.roles import actions_of
from webui.builds.comparing import compared
from webui.builds.models import Build, SshKey
from webui.builds.representation import build_as_json, steps_as_json
from webui.builds.shells import failed_image
from webui.hosts.models import Host
from webui.hosts.representation import host_as_json
from webui.images.models import Image, SigningKey
from webui.pages.examples import build_example, first_tag
from webui.pages.hosting import Hosting, may_add
from webui.pages.page import page
from webui.policies.models import TeamPolicy

PAGE_SIZE = 50
NOTHING = "\N{EN DASH}"
_ID = re.compile(r"[0-9a-f]{32}")
_JOINED = ("team", "host", "job", "requested_by", "context", "context__host")


@page("pages/builds.html", section="builds")
def builds(request: HttpRequest) -> dict[str, Any]:
    visible = Build.objects.visible_to(request.user).select_related(*_JOINED)
    query = request.GET.get("q", "").strip()[:200]
    shown = Paginator(visible.filter(name__icontains=query), PAGE_SIZE).get_page(request.GET.get("page"))
    return {
        "query": query,
        "status": "",
        "page": shown,
        "total": visible.count(),
        "builds": [build_as_json(build) for build in shown.object_list],
        "hosts": _hosts(request),
        "may_create": Host.objects.visible_to(request.user, "builds.create").exists(),
        "build_example": build_example(request),
    }


@page("pages/build.html", section="builds")
def build(request: HttpRequest, build_id: str) -> dict[str, Any]:
    found = _find(request, build_id)
    if found is None:
        raise Http404
    image = Image.objects.visible_to(request.user).filter(host=found.host, image_id=found.image_id).first()
    held = actions_of(request.user, found.team, host=found.host_id)
    return {
        "build": build_as_json(found),
        "steps": steps_as_json(found),
        "image": None if image is None else image.image_id.removeprefix("sha256:"),
        "may_create": "builds.create" in held,
        "may_cancel": "jobs.cancel" in held,
        "may_shell": failed_image(found) is not None and held >= {"containers.create", "containers.exec"},
        "others": _comparable(request, found),
    }


@page("pages/build_compare.html", section="builds")
def build_compare(request: HttpRequest, build_id: str, other_id: str) -> dict[str, Any]:
    before, after = _find(request, other_id), _find(request, build_id)
    if before is None or after is None:
        raise Http404
    found = compared(request.user, before, after)
    shown = {part: [_as_texts(row) for row in found[part]] for part in ("wish", "config")}
    return {"before": build_as_json(before), "after": build_as_json(after), "found": found | shown}


def _as_texts(row: dict[str, Any]) -> dict[str, str]:
    """A value that is other, for people: texts as they are, nothing as a dash, all else as JSON."""
    values = {side: row[side] for side in ("before", "after")}
    texts = {
        side: value
        if isinstance(value, str) and value
        else NOTHING
        if value in (None, "", [], {})
        else json.dumps(value)
        for side, value in values.items()
    }
    return {"name": row["name"], **texts}


def _comparable(request: HttpRequest, build: Build) -> list[dict[str, Any]]:
    """The builds of the same name before and after it, and the one that it repeats."""
    rows = Build.objects.visible_to(request.user).select_related(*_JOINED).exclude(pk=build.pk)
    same = rows.filter(team=build.team, host=build.host, name=build.name)[:10]
    return [build_as_json(one) for one in same if one.job.is_finished]


@page("pages/build_new.html", section="builds")
def build_new(request: HttpRequest) -> dict[str, Any]:
    """`?again=ID` fills the form from an earlier build."""
    earlier = _find(request, request.GET.get("again", ""))
    teams = Host.objects.visible_to(request.user, "builds.create").values("team")
    base = (first_tag(request) or "alpine").removeprefix("docker.io/library/").removeprefix("docker.io/")
    hosts = _hosts(request, "builds.create")
    return {
        "hosts": hosts,
        "lacking": "" if hosts else Hosting(request.user).lacking("builds.create"),
        "may_add_host": not hosts and may_add(request.user),
        "again": None if earlier is None else build_as_json(earlier),
        "example": f'FROM {base}\nRUN echo "made by Portside" > /hello.txt\nCMD ["cat", "/hello.txt"]\n',
        "may_loosen": Host.objects.visible_to(request.user, "hosts.loosen").exists(),
        "may_insecure": TeamPolicy.objects.filter(team__in=teams, privileged=True).exists(),
        "ssh_keys": SshKey.objects.visible_to(request.user),
        "signing_keys": SigningKey.objects.visible_to(request.user).exclude(sealed_private_key=""),
    }


def _find(request: HttpRequest, build_id: str) -> Build | None:
    if not _ID.fullmatch(build_id):
        return None
    return Build.objects.visible_to(request.user).select_related(*_JOINED).filter(pk=build_id).first()


def _hosts(request: HttpRequest, action: str | None = None) -> list[dict[str, Any]]:
    """Those on which the person may do `action`, or all that may be seen."""
    return [host_as_json(host) for host in Host.objects.visible_to(request.user, action).select_related("team")]
