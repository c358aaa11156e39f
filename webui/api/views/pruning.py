"""Removing all containers that have ended, at once."""

from __future__ import annotations

from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api import bodies
from webui.api.operations import job_reference, operation
from webui.api.schemas import PruneSchema
from webui.containers.pruning import containers_prune, containers_to_prune
from webui.hosts.services import host_choose

UNTIL_MAXIMUM = 10**11
"""Unix seconds; later years are beyond a date's."""


class Prune(bodies.Body):
    host = bodies.Text(required=False, allow_null=True, help_text="A host's name or id; all if left out.")
    until = bodies.Whole((0, UNTIL_MAXIMUM), required=False, help_text="Only those made before (Unix seconds).")
    labels = bodies.serializers.ListField(
        child=bodies.Text(), required=False, help_text="Only those with all of them: KEY or KEY=VALUE."
    )
    not_labels = bodies.serializers.ListField(
        child=bodies.Text(), required=False, help_text="Not those with all of these: KEY or KEY=VALUE."
    )
    dry_run = bodies.Flag(required=False, help_text="Only tell what would go.")


class ContainersPrune(APIView):
    @operation("containers_prune", tag="containers", body=Prune, answers={200: PruneSchema}, problems=[404])
    def post(self, request: Request) -> Response:
        """Remove every container that has ended or never ran, of the teams in which you may remove."""
        wishes: dict[str, Any] = bodies.read(Prune, request)
        rehearsal = wishes.pop("dry_run", False)
        host = wishes.pop("host", None)
        until = wishes.pop("until", None)
        if until is not None and not 0 <= until <= UNTIL_MAXIMUM:
            raise bodies.serializers.ValidationError({"until": ["Give Unix seconds, such as 1700000000."]})
        filters = {
            **wishes,
            "until": until,
            "host": host_choose(user=request.user, host=host).pk if host else None,
        }
        if rehearsal:
            found = containers_to_prune(user=request.user, **filters)
            rows: list[dict[str, Any]] = [{"id": row.pk, "name": row.name, "job": None} for row in found]
        else:
            asked = containers_prune(user=request.user, **filters)
            rows = [{"id": row.pk, "name": row.name, **job_reference(job)} for row, job in asked]
        return Response({"containers": rows})
