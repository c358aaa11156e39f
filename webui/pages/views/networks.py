"""Networks on all hosts; what is done with them goes to REST."""

from __future__ import annotations

from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest

from webui.accounts.models import Team
from webui.accounts.roles import CREATE, actions_of
from webui.hosts.models import Host
from webui.hosts.representation import host_as_json
from webui.networks.models import Network
from webui.networks.representation import network_as_json
from webui.pages.examples import network_example
from webui.pages.page import page

PAGE_SIZE = 100


@page("pages/networks.html", section="networks")
def networks(request: HttpRequest) -> dict[str, Any]:
    visible = Network.objects.visible_to(request.user).select_related("host", "team")
    query = request.GET.get("q", "").strip()[:200]
    found = visible.filter(Q(name__icontains=query) | Q(subnet__contains=query)) if query else visible
    shown = Paginator(found.prefetch_related("endpoints__container"), PAGE_SIZE).get_page(request.GET.get("page"))
    creating = {team.pk for team in Team.objects.visible_to(request.user) if CREATE in actions_of(request.user, team)}
    hosts = Host.objects.visible_to(request.user).select_related("team")
    return {
        "query": query,
        "status": "",
        "page": shown,
        "total": visible.count(),
        "networks": [network_as_json(one) | {"may_create": one.team_id in creating} for one in shown.object_list],
        "hosts": [host_as_json(host) for host in hosts],
        "may_create": bool(creating),
        "network_example": network_example(request),
    }
