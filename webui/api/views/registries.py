"""How registries are spoken to: a password goes in and never comes out."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.accounts.models import Team
from webui.api import bodies
from webui.api.image_schemas import CredentialSchema
from webui.api.lists import list_parameters, list_response
from webui.api.operations import job_reference, operation, page_of
from webui.api.schemas import Accepted
from webui.hosts.services import host_choose
from webui.images.credentials import credential_delete, credential_set
from webui.images.models import RegistryCredential
from webui.images.representation import credential_as_json
from webui.images.services import registry_try

ORDERING = ("created_at", "registry")


class NewCredential(bodies.Body):
    registry = bodies.Text(max_length=255, help_text="docker.io, or a host name with a port if needed.")
    username = bodies.Text(max_length=255, required=False, allow_blank=True, help_text="Left out: as nobody.")
    password = bodies.Text(
        max_length=4096,
        required=False,
        allow_blank=True,
        write_only=True,
        help_text="Left out: the one that is stored for this user stays.",
    )
    plain_http = bodies.Flag(required=False, help_text="Speak to it without TLS.")
    tls_verify = bodies.Flag(required=False, help_text="false takes any certificate.")
    ca_pem = bodies.Text(required=False, allow_blank=True, help_text="Certificates to be trusted too, as PEM.")
    mirrors = bodies.serializers.ListField(
        child=bodies.Text(),
        required=False,
        help_text="Asked first, in order, for what is read: mirror.example.com:5000.",
    )
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
        """Store how a team speaks to a registry, or replace it."""
        wishes = bodies.read(NewCredential, request)
        team = team_choose(request, wishes.pop("team", None))
        credential = credential_set(user=request.user, team=team, **wishes)
        return Response(credential_as_json(credential), status=201)


class TestOn(bodies.Body):
    host = bodies.Text(
        required=False, allow_null=True, help_text="Which host shall try: name or id; if only one, none."
    )


class RegistryTest(APIView):
    @operation("registries_test", tag="registries", body=TestOn, answers={202: Accepted}, problems=[403, 404])
    def post(self, request: Request, credential_id: UUID) -> Response:
        """Let a host see whether the registry answers and takes the credential; the job's result says more."""
        visible = RegistryCredential.objects.visible_to(request.user).select_related("team")
        credential = get_object_or_404(visible, pk=credential_id)
        wishes = bodies.read(TestOn, request)
        host = host_choose(user=request.user, host=wishes.get("host"))
        return Response(job_reference(registry_try(user=request.user, credential=credential, host=host)), status=202)


class RegistryDetail(APIView):
    @operation("registries_read", tag="registries", answers={200: CredentialSchema}, problems=[404])
    def get(self, request: Request, credential_id: UUID) -> Response:
        """Read how a registry is spoken to, and what its last test said."""
        visible = RegistryCredential.objects.visible_to(request.user).select_related("team")
        return Response(credential_as_json(get_object_or_404(visible, pk=credential_id)))

    @operation("registries_delete", tag="registries", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, credential_id: UUID) -> Response:
        """Forget a credential."""
        visible = RegistryCredential.objects.visible_to(request.user)
        credential_delete(
            user=request.user, credential=get_object_or_404(visible.select_related("team"), pk=credential_id)
        )
        return Response(status=204)


def team_choose(request: Request, text: str | None) -> Team:
    teams = list(Team.objects.visible_to(request.user))
    if text:
        teams = [team for team in teams if text in (str(team.pk), team.name)]
        if not teams:
            raise ValidationError({"team": ["You belong to no team of this name or id."]})
    if len(teams) != 1:
        raise ValidationError({"team": ["Say which team, by its name or id."] if teams else ["You belong to no team."]})
    return teams[0]
