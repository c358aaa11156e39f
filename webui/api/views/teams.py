"""Teams that the asker belongs to, with the role there."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.accounts.membership import team_create, team_delete, team_rename
from webui.accounts.models import Membership, Team
from webui.accounts.representation import team_as_json
from webui.accounts.roles import require
from webui.api import bodies
from webui.api.lists import list_parameters, list_response
from webui.api.operations import operation, page_of
from webui.api.schemas import TeamSchema
from webui.containers.log_keeping import DAYS_MAXIMUM, team_keep_logs
from webui.containers.publishing import team_publish
from webui.recordings.services import team_record
from webui.signin.policy import team_require_second_factor

ORDERING = ("created_at", "name")


class TeamChanges(bodies.Body):
    """What is left out stays as it is."""

    name = bodies.Text(max_length=80, required=False)
    keep_logs_days = bodies.Whole(
        (0, DAYS_MAXIMUM), required=False, help_text="For logs of removed containers; 0: they go with the container."
    )
    record_terminals = bodies.Text(required=False, help_text="never, asked or always.")
    keep_recordings_days = bodies.Whole((1, DAYS_MAXIMUM), required=False)
    require_second_factor = bodies.Flag(required=False, help_text="Whether members need one to be let in by a session.")
    publish_addresses = bodies.serializers.ListField(
        child=bodies.Text(max_length=60, allow_blank=True),
        required=False,
        help_text="As 10.0.0.5, 10.0.0.0/8 or 0.0.0.0/0: where members may publish ports. For administrators.",
    )
    publish_default = bodies.Text(
        required=False, max_length=60, help_text="Where a port without an address is published. For administrators."
    )


class NewTeam(bodies.Body):
    name = bodies.Text(max_length=80)


class TeamDetail(APIView):
    @operation("teams_retrieve", tag="teams", answers={200: TeamSchema}, problems=[404])
    def get(self, request: Request, team_id: UUID) -> Response:
        """Look at a team of yours."""
        return Response(_shown(request, get_object_or_404(Team.objects.visible_to(request.user), pk=team_id)))

    @operation("teams_update", tag="teams", body=TeamChanges, answers={200: TeamSchema}, problems=[403, 404, 409])
    def patch(self, request: Request, team_id: UUID) -> Response:
        """Change what holds for all of a team's containers."""
        team = get_object_or_404(Team.objects.visible_to(request.user), pk=team_id)
        wish = bodies.read(TeamChanges, request)
        require(request.user, "team.manage", team)
        with transaction.atomic():
            if "name" in wish:
                team_rename(user=request.user, team=team, name=wish["name"])
            if "keep_logs_days" in wish:
                team_keep_logs(user=request.user, team=team, days=wish["keep_logs_days"])
            record, days = wish.get("record_terminals"), wish.get("keep_recordings_days")
            team_record(user=request.user, team=team, record=record, keep_days=days)
            if "require_second_factor" in wish:
                team_require_second_factor(user=request.user, team=team, is_required=wish["require_second_factor"])
            if "publish_addresses" in wish or "publish_default" in wish:
                addresses, default = wish.get("publish_addresses"), wish.get("publish_default")
                team_publish(user=request.user, team=team, addresses=addresses, default=default)
        return Response(_shown(request, team))

    @operation("teams_delete", tag="teams", answers={204: None}, problems=[403, 404, 409])
    def delete(self, request: Request, team_id: UUID) -> Response:
        """Delete a team that owns nothing any more. For administrators."""
        team_delete(user=request.user, team=get_object_or_404(Team.objects.visible_to(request.user), pk=team_id))
        return Response(status=204)


class TeamList(APIView):
    @operation(
        "teams_list",
        tag="teams",
        answers={200: page_of(TeamSchema)},
        problems=[400, 404],
        parameters=list_parameters(ordering=ORDERING),
    )
    def get(self, request: Request) -> Response:
        """List your teams."""
        roles = dict(Membership.objects.filter(user=request.user).values_list("team_id", "role"))
        return list_response(
            request,
            Team.objects.visible_to(request.user),
            lambda team: team_as_json(team, roles.get(team.pk)),
            ordering=ORDERING,
        )

    @operation("teams_create", tag="teams", body=NewTeam, answers={201: TeamSchema}, problems=[403, 409])
    def post(self, request: Request) -> Response:
        """Make a team, which you lead then. For administrators."""
        team = team_create(user=request.user, name=bodies.read(NewTeam, request)["name"])
        return Response(_shown(request, team), status=201)


def _shown(request: Request, team: Team) -> dict[str, Any]:
    role = Membership.objects.filter(user=request.user, team=team).values_list("role", flat=True).first()
    return team_as_json(team, role)
