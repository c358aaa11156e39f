"""Credentials of registries: a password goes in and never comes out."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.accounts.models import Team
from webui.api import bodies
from webui.api.lists import list_parameters, list_response
from webui.api.operations import operation, page_of
from webui.api.schemas import CredentialSchema
from webui.images.credentials import credential_delete, credential_set
from webui.images.models import RegistryCredential
from webui.images.representation import credential_as_json

ORDERING = ("created_at", "registry")


class NewCredential(bodies.Body):
    registry = bodies.Text(max_length=255, help_text="docker.io, or a host name with a port if needed.")
    username = bodies.Text(max_length=255)
    password = bodies.Text(max_length=4096, write_only=True)
    team = bodies.Text(required=False, allow_null=True, help_text="Id or name; may be left out with only one team.")


class RegistryList(APIView):
    @operation(
        "registries_list",
        tag="registries",
        answers={200: page_of(CredentialSchema)},
        problems=[400, 404],
        parameters=list_parameters(ordering=ORDERING),
    )
    def get(self, request: Request) -> Response:
        """List the registries that your teams have credentials for."""
        rows = RegistryCredential.objects.visible_to(request.user).select_related("team")
        return list_response(request, rows, credential_as_json, ordering=ORDERING)

    @operation("registries_set", tag="registries", body=NewCredential, answers={201: CredentialSchema}, problems=[403])
    def post(self, request: Request) -> Response:
        """Store a team's credential for a registry, or replace it."""
        wishes = bodies.read(NewCredential, request)
        team = _team(request, wishes.pop("team", None))
        credential = credential_set(user=request.user, team=team, **wishes)
        return Response(credential_as_json(credential), status=201)


class RegistryDetail(APIView):
    @operation("registries_delete", tag="registries", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, credential_id: UUID) -> Response:
        """Forget a credential."""
        visible = RegistryCredential.objects.visible_to(request.user)
        credential_delete(
            user=request.user, credential=get_object_or_404(visible.select_related("team"), pk=credential_id)
        )
        return Response(status=204)


def _team(request: Request, text: str | None) -> Team:
    teams = list(Team.objects.visible_to(request.user))
    if text:
        teams = [team for team in teams if text in (str(team.pk), team.name)]
        if not teams:
            raise ValidationError({"team": ["You belong to no team of this name or id."]})
    if len(teams) != 1:
        raise ValidationError({"team": ["Say which team, by its name or id."] if teams else ["You belong to no team."]})
    return teams[0]
