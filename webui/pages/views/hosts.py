"""One host: what it is made of, how busy it is, what runs there."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, Sum
from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from webui.accounts.roles import Rights
from webui.configuration import Configuration
from webui.containers.host_forgetting import held_by, held_words
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.hosts.representation import host_as_json
from webui.images.models import Image
from webui.pages.adding_host import LOG, PLACE, SETUP, START, TRY, broker_of
from webui.pages.docker_command import HEADERS, context_line
from webui.pages.hosting import may_add
from webui.pages.page import page
from webui.pages.rows import container_rows

SHOWN_CONTAINERS = 50


@page("pages/host_new.html", section="dashboard")
def host_new(request: HttpRequest) -> dict[str, Any]:
    """How to add one: hosts register by themselves, so all there is to do is done on the other machine."""
    if not may_add(request.user):
        raise PermissionDenied
    portside: Configuration = settings.PORTSIDE
    address = urlsplit(f"//{request.get_host()}").hostname or request.get_host()
    hosts = Host.objects.visible_to(request.user).select_related("team").order_by("-registered_at", "pk")
    return {
        "broker": broker_of(portside.redis_url, address, is_embedded=portside.redis_is_embedded),
        "commands": {"setup": SETUP, "start": START, "try": TRY, "log": LOG},
        "place": PLACE,
        "hosts": [host_as_json(one) for one in hosts],
    }


@page("pages/host.html", section="dashboard")
def host(request: HttpRequest, host_id: str) -> dict[str, Any]:
    found = get_object_or_404(Host.objects.visible_to(request.user).select_related("team"), pk=host_id)
    rights = Rights(request.user, found.team)
    containers = Container.objects.visible_to(request.user).filter(host=found)
    counts = containers.aggregate(total=Count("pk"), running=Count("pk", filter=Q(observed_status="running")))
    counts |= (
        Image.objects.visible_to(request.user)
        .filter(host=found)
        .aggregate(images=Count("pk"), image_bytes=Sum("size_bytes"))
    )
    return {
        "host": host_as_json(found),
        "may_create": "containers.create" in rights.of(found.team_id, host=found),
        "may_manage": "hosts.manage" in rights.of(found.team_id),
        "held": held_words(held_by(found)),
        "counts": counts,
        "containers": container_rows(containers[:SHOWN_CONTAINERS], rights=rights),
        "docker_context": context_line(request.get_host(), found.name, is_secure=request.is_secure()),
        "docker_headers": HEADERS,
    }
