"""Teams that the asker belongs to, with the role there."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.accounts.models import Membership, Team
from webui.accounts.representation import team_as_json
from webui.api.lists import list_parameters, list_response
from webui.api.operations import operation, page_of
from webui.api.schemas import TeamSchema

ORDERING = ("created_at", "name")


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
