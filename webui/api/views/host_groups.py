"""A team's host groups, and hosts that move to another team."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.accounts.models import HostGroup, Team
from webui.accounts.representation import group_as_json
from webui.api import bodies
from webui.api.lists import list_parameters, list_response
from webui.api.operations import operation, page_of
from webui.api.people_schemas import HostGroupSchema
from webui.api.schemas import HostSchema
from webui.api.views.members import team_of
from webui.containers.host_moving import host_move
from webui.hosts import groups
from webui.hosts.models import Host
from webui.hosts.representation import host_as_json

ORDERING = ("created_at", "name")


class NewGroup(bodies.Body):
    name = bodies.Text(max_length=80)
    hosts = bodies.serializers.ListField(child=bodies.Text(max_length=36), required=False, help_text="Ids.")


class GroupChanges(bodies.Body):
    """What is left out stays as it is."""

    name = bodies.Text(max_length=80, required=False)
    hosts = bodies.serializers.ListField(
        child=bodies.Text(max_length=36), required=False, help_text="Ids; all that are to be in it."
    )


class HostMoving(bodies.Body):
    team = bodies.serializers.UUIDField(help_text="The team that gets it.")


def visible(request: Request, team_id: UUID) -> QuerySet[HostGroup]:
    team_of(request, team_id)
    found = HostGroup.objects.visible_to(request.user).filter(team=team_id)
    return found.select_related("team").prefetch_related("hosts")


class GroupList(APIView):
    @operation(
        "host_groups_list",
        tag="teams",
        answers={200: page_of(HostGroupSchema)},
        problems=[400, 404],
        parameters=list_parameters(ordering=ORDERING),
    )
    def get(self, request: Request, team_id: UUID) -> Response:
        """List a team's host groups."""
        return list_response(request, visible(request, team_id), group_as_json, ordering=ORDERING)

    @operation(
        "host_groups_create", tag="teams", body=NewGroup, answers={201: HostGroupSchema}, problems=[403, 404, 409]
    )
    def post(self, request: Request, team_id: UUID) -> Response:
        """Make a group of some of the team's hosts, for grants."""
        wish = bodies.read(NewGroup, request)
        made = groups.group_create(user=request.user, team=team_of(request, team_id), **wish)
        return Response(group_as_json(made), status=201)


class GroupDetail(APIView):
    @operation(
        "host_groups_update", tag="teams", body=GroupChanges, answers={200: HostGroupSchema}, problems=[403, 404, 409]
    )
    def patch(self, request: Request, team_id: UUID, group_id: UUID) -> Response:
        """Rename a host group, or say which hosts are in it."""
        found = get_object_or_404(visible(request, team_id), pk=group_id)
        groups.group_change(user=request.user, group=found, **bodies.read(GroupChanges, request))
        return Response(group_as_json(visible(request, team_id).get(pk=group_id)))

    @operation("host_groups_delete", tag="teams", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, team_id: UUID, group_id: UUID) -> Response:
        """Delete a host group, and what was granted on it."""
        groups.group_delete(user=request.user, group=get_object_or_404(visible(request, team_id), pk=group_id))
        return Response(status=204)


class HostMove(APIView):
    @operation("hosts_move", tag="hosts", body=HostMoving, answers={200: HostSchema}, problems=[403, 404, 409])
    def post(self, request: Request, host_id: str) -> Response:
        """Give a host with all that is on it to another team. You manage the hosts of both."""
        found = get_object_or_404(Host.objects.visible_to(request.user).select_related("team"), pk=host_id)
        wish = bodies.read(HostMoving, request)
        team = Team.objects.visible_to(request.user).filter(pk=wish["team"]).first()
        if team is None:
            raise ValidationError({"team": ["You are in no such team."]})
        host_move(user=request.user, host=found, team=team)
        return Response(host_as_json(Host.objects.select_related("team").get(pk=found.pk)))
