"""Hosts: nobody makes one, since a host registers by itself; one that is away for good can be forgotten."""

from __future__ import annotations

from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api.lists import list_parameters, list_response, parameter
from webui.api.operations import operation, page_of
from webui.api.schemas import HostSchema
from webui.api.views.images import force_parameter
from webui.containers.host_forgetting import host_forget
from webui.hosts.models import Host, HostQuerySet
from webui.hosts.representation import host_as_json

ORDERING = ("registered_at", "name")


def visible(request: Request) -> HostQuerySet:
    return Host.objects.visible_to(request.user).select_related("team")


class HostList(APIView):
    @operation(
        "hosts_list",
        tag="hosts",
        answers={200: page_of(HostSchema)},
        problems=[400, 404],
        parameters=list_parameters(ordering=ORDERING, search="Part of the name."),
    )
    def get(self, request: Request) -> Response:
        """List hosts."""
        rows = visible(request)
        if search := parameter(request, "search"):
            rows = rows.filter(name__icontains=search)
        return list_response(request, rows, host_as_json, ordering=ORDERING)


class HostDetail(APIView):
    @operation("hosts_read", tag="hosts", answers={200: HostSchema}, problems=[404])
    def get(self, request: Request, host_id: str) -> Response:
        """Read a host."""
        return Response(host_as_json(get_object_or_404(visible(request), pk=host_id)))

    @operation(
        "hosts_forget",
        tag="hosts",
        answers={204: None},
        problems=[400, 403, 404, 409],
        parameters=[force_parameter("Forget it even if containers, volumes, backups or rules of builds go with it.")],
    )
    def delete(self, request: Request, host_id: str) -> Response:
        """Forget a host that is away for good, with all that is known of it. What runs on the machine runs on."""
        force = parameter(request, "force", ["true", "false"]) == "true"
        host_forget(user=request.user, host=get_object_or_404(visible(request), pk=host_id), force=force)
        return Response(status=204)
