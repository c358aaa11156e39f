"""What is asked of a container's host, and answered at once."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api.operations import operation
from webui.api.schemas import ChangesSchema, TopSchema
from webui.api.views.containers import find
from webui.containers.questions import CHANGES, TELL, TOP, ask


class ContainerTop(APIView):
    @operation("containers_top", tag="containers", answers={200: TopSchema}, problems=[404, 409, 503])
    def get(self, request: Request, container_id: str) -> Response:
        """The processes of a running container."""
        return Response(ask(find(request, container_id), TOP, TELL), headers={"Cache-Control": "no-store"})


class ContainerChanges(APIView):
    @operation("containers_changes", tag="containers", answers={200: ChangesSchema}, problems=[404, 503])
    def get(self, request: Request, container_id: str) -> Response:
        """What a container has added, changed and deleted of its image's files."""
        return Response(ask(find(request, container_id), CHANGES), headers={"Cache-Control": "no-store"})
