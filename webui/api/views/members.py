"""Members of a team, with their roles and what was granted to them further."""

from __future__ import annotations

from uuid import UUID

from django.db.models import F, Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.accounts.giving import role_actions
from webui.accounts.membership import grant_create, grant_delete, member_add, member_change, member_remove
from webui.accounts.models import Grant, Membership, Team
from webui.accounts.representation import grant_as_json, member_as_json
from webui.api import bodies
from webui.api.lists import list_parameters, list_response, parameter
from webui.api.operations import operation, page_of
from webui.api.people_schemas import ROLE, GrantSchema, MemberSchema

ORDERING = ("created_at", "username")


@extend_schema_serializer(examples=[OpenApiExample("A developer", value={"user": "ann", "role": "developer"})])
class NewMember(bodies.Body):
    user = bodies.Text(max_length=150, help_text="The user name of somebody who is here already.")
    role = bodies.Text(max_length=40, allow_blank=True, help_text=f"{ROLE} Empty: only what is granted further.")


class MemberChanges(bodies.Body):
    role = bodies.Text(max_length=40, allow_blank=True, help_text=f"{ROLE} Empty: only what is granted further.")


@extend_schema_serializer(
    examples=[OpenApiExample("On images of one's own", value={"role": "developer", "repository": "ghcr.io/we/*"})]
)
class NewGrant(bodies.Body):
    """One of `host`, `group` and `repository` says where."""

    role = bodies.Text(max_length=40, help_text=ROLE)
    host = bodies.Text(max_length=36, required=False, help_text="A host's id.")
    group = bodies.serializers.UUIDField(required=False, help_text="A host group's id.")
    repository = bodies.Text(
        max_length=300, required=False, help_text="docker.io/library/alpine, or all below a name: ghcr.io/we/*"
    )


def team_of(request: Request, team_id: UUID) -> Team:
    return get_object_or_404(Team.objects.visible_to(request.user), pk=team_id)


def visible(request: Request, team_id: UUID) -> QuerySet[Membership]:
    found = (
        Membership.objects.visible_to(request.user)
        .filter(team=team_id)
        .select_related("team", "user")
        .annotate(username=F("user__username"))
    )
    return found.prefetch_related("grants__host", "grants__group")


def member_of(request: Request, team_id: UUID, user_id: int) -> Membership:
    """A member that one may see; oneself always, who may leave."""
    found = visible(request, team_id).filter(user=user_id).first()
    own = Membership.objects.filter(team__in=Team.objects.visible_to(request.user), team=team_id, user=request.user)
    return found or get_object_or_404(own.select_related("team", "user"), user=user_id)


class MemberList(APIView):
    @operation(
        "members_list",
        tag="teams",
        answers={200: page_of(MemberSchema)},
        problems=[400, 404],
        parameters=list_parameters(
            ordering=ORDERING, search="Part of a user name or a name.", filters={"role": "The role in the whole team."}
        ),
    )
    def get(self, request: Request, team_id: UUID) -> Response:
        """List who is in a team, service accounts among them."""
        team_of(request, team_id)
        rows = visible(request, team_id)
        if search := parameter(request, "search"):
            rows = rows.filter(Q(user__username__icontains=search) | Q(user__first_name__icontains=search))
        if role := parameter(request, "role"):
            role_actions(role)  # one that there isn't is nobody's, and most likely a typing error
            rows = rows.filter(role=role)
        return list_response(request, rows, member_as_json, ordering=ORDERING)

    @operation("members_add", tag="teams", body=NewMember, answers={201: MemberSchema}, problems=[403, 404, 409])
    def post(self, request: Request, team_id: UUID) -> Response:
        """Let somebody who is here already into the team."""
        wish = bodies.read(NewMember, request)
        made = member_add(user=request.user, team=team_of(request, team_id), username=wish["user"], role=wish["role"])
        return Response(member_as_json(made), status=201)


class MemberDetail(APIView):
    @operation("members_retrieve", tag="teams", answers={200: MemberSchema}, problems=[404])
    def get(self, request: Request, team_id: UUID, user_id: int) -> Response:
        """Look at a member."""
        return Response(member_as_json(member_of(request, team_id, user_id)))

    @operation("members_update", tag="teams", body=MemberChanges, answers={200: MemberSchema}, problems=[403, 404, 409])
    def patch(self, request: Request, team_id: UUID, user_id: int) -> Response:
        """Give a member another role in the whole team."""
        found = member_of(request, team_id, user_id)
        member_change(user=request.user, membership=found, role=bodies.read(MemberChanges, request)["role"])
        return Response(member_as_json(found))

    @operation("members_remove", tag="teams", answers={204: None}, problems=[403, 404, 409])
    def delete(self, request: Request, team_id: UUID, user_id: int) -> Response:
        """Take somebody out of the team, or leave it yourself."""
        member_remove(user=request.user, membership=member_of(request, team_id, user_id))
        return Response(status=204)


class GrantList(APIView):
    @operation("grants_create", tag="teams", body=NewGrant, answers={201: GrantSchema}, problems=[403, 404, 409])
    def post(self, request: Request, team_id: UUID, user_id: int) -> Response:
        """Grant a member a further role at one place."""
        found = member_of(request, team_id, user_id)
        made = grant_create(user=request.user, membership=found, **bodies.read(NewGrant, request))
        return Response(grant_as_json(made), status=201)


class GrantDetail(APIView):
    @operation("grants_delete", tag="teams", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, team_id: UUID, user_id: int, grant_id: UUID) -> Response:
        """Take a further role back."""
        grants = Grant.objects.filter(membership__in=visible(request, team_id), membership__user=user_id)
        found = get_object_or_404(grants.select_related("membership__team"), pk=grant_id)
        grant_delete(user=request.user, grant=found)
        return Response(status=204)
