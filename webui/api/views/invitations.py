"""Invitations into a team, by links that are used once."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404
from django.urls import reverse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.accounts import invitations
from webui.accounts.models import Invitation
from webui.accounts.representation import invitation_as_json, member_as_json
from webui.api import bodies
from webui.api.lists import list_parameters, list_response
from webui.api.operations import operation, page_of
from webui.api.people_schemas import ROLE, InvitationSchema, MemberSchema, NewInvitationSchema
from webui.api.views.members import team_of

ORDERING = ("created_at", "expires_at")


class NewInvitation(bodies.Body):
    role = bodies.Text(max_length=40, help_text=ROLE)
    note = bodies.Text(max_length=120, required=False, allow_blank=True, help_text="For whom it is meant.")
    days = bodies.Whole((1, invitations.DAYS_MAXIMUM), required=False, help_text="How long the link can be used.")


class Acceptance(bodies.Body):
    secret = bodies.Text(max_length=100, help_text="What the link ends with.")


class InvitationList(APIView):
    @operation(
        "invitations_list",
        tag="teams",
        answers={200: page_of(InvitationSchema)},
        problems=[400, 404],
        parameters=list_parameters(ordering=ORDERING),
    )
    def get(self, request: Request, team_id: UUID) -> Response:
        """List a team's invitations, also those that were used. For who manages its members."""
        team_of(request, team_id)
        rows = Invitation.objects.visible_to(request.user).filter(team=team_id)
        rows = rows.select_related("team", "invited_by", "accepted_by")
        return list_response(request, rows, invitation_as_json, ordering=ORDERING)

    @operation(
        "invitations_create", tag="teams", body=NewInvitation, answers={201: NewInvitationSchema}, problems=[403, 404]
    )
    def post(self, request: Request, team_id: UUID) -> Response:
        """Invite somebody. The link is in this answer and nowhere else."""
        wish = bodies.read(NewInvitation, request)
        made, secret = invitations.invitation_create(user=request.user, team=team_of(request, team_id), **wish)
        url = request.build_absolute_uri(reverse("invitation", args=[secret]))
        body = {**invitation_as_json(made), "url": url, "secret": secret}
        return Response(body, status=201, headers={"Cache-Control": "no-store"})


class InvitationDetail(APIView):
    @operation("invitations_delete", tag="teams", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, team_id: UUID, invitation_id: UUID) -> Response:
        """Withdraw an invitation: its link opens nothing any more."""
        rows = Invitation.objects.visible_to(request.user).filter(team=team_id).select_related("team")
        invitations.invitation_withdraw(user=request.user, invitation=get_object_or_404(rows, pk=invitation_id))
        return Response(status=204)


class InvitationAccept(APIView):
    @operation(
        "invitations_accept", tag="teams", body=Acceptance, answers={201: MemberSchema}, problems=[403, 404, 409]
    )
    def post(self, request: Request) -> Response:
        """Join the team of an invitation as who you are. Somebody new opens the link in a browser."""
        secret = bodies.read(Acceptance, request)["secret"]
        made = invitations.invitation_accept(user=request.user, secret=secret)
        return Response(member_as_json(made), status=201)
