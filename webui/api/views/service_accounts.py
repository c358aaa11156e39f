"""Service accounts of a team, and their tokens."""

from __future__ import annotations

from uuid import UUID

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.accounts import service_accounts
from webui.accounts.models import User
from webui.accounts.representation import service_account_as_json, token_as_json
from webui.accounts.tokens import DAYS_MAXIMUM
from webui.api import bodies
from webui.api.lists import list_parameters, list_response
from webui.api.operations import operation, page_of
from webui.api.people_schemas import ROLE, ServiceAccountSchema
from webui.api.schemas import NewTokenSchema
from webui.api.views.members import team_of

ORDERING = ("date_joined", "username")


class NewServiceAccount(bodies.Body):
    username = bodies.Text(max_length=150)
    name = bodies.Text(max_length=150, required=False, allow_blank=True, help_text="What it is for.")
    role = bodies.Text(max_length=40, help_text=ROLE)


class ServiceAccountChanges(bodies.Body):
    active = bodies.Flag(help_text="false: none of its tokens opens anything.")


class NewServiceToken(bodies.Body):
    name = bodies.Text(max_length=80)
    scopes = bodies.serializers.ListField(
        child=bodies.Text(max_length=80), required=False, allow_null=True, help_text="As of your own tokens."
    )
    days = bodies.Whole((1, DAYS_MAXIMUM), required=False, allow_null=True, help_text="null: for ever.")


def visible(request: Request, team_id: UUID) -> QuerySet[User]:
    found = service_accounts.accounts_visible(request.user, team_of(request, team_id))
    return found.prefetch_related("memberships", "tokens__team")


class ServiceAccountList(APIView):
    @operation(
        "service_accounts_list",
        tag="teams",
        answers={200: page_of(ServiceAccountSchema)},
        problems=[400, 404],
        parameters=list_parameters(ordering=ORDERING),
    )
    def get(self, request: Request, team_id: UUID) -> Response:
        """List a team's service accounts."""
        return list_response(request, visible(request, team_id), service_account_as_json, ordering=ORDERING)

    @operation(
        "service_accounts_create",
        tag="teams",
        body=NewServiceAccount,
        answers={201: ServiceAccountSchema},
        problems=[403, 404, 409],
    )
    def post(self, request: Request, team_id: UUID) -> Response:
        """Make a service account, which gets in by tokens alone."""
        wish = bodies.read(NewServiceAccount, request)
        made = service_accounts.service_account_create(user=request.user, team=team_of(request, team_id), **wish)
        return Response(service_account_as_json(made), status=201)


class ServiceAccountDetail(APIView):
    @operation(
        "service_accounts_update",
        tag="teams",
        body=ServiceAccountChanges,
        answers={200: ServiceAccountSchema},
        problems=[403, 404],
    )
    def patch(self, request: Request, team_id: UUID, user_id: int) -> Response:
        """Lock a service account out, or let it in again."""
        found = get_object_or_404(visible(request, team_id), pk=user_id)
        wish = bodies.read(ServiceAccountChanges, request)
        service_accounts.service_account_change(user=request.user, account=found, **wish)
        return Response(service_account_as_json(found))

    @operation("service_accounts_delete", tag="teams", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, team_id: UUID, user_id: int) -> Response:
        """Delete a service account with its tokens."""
        found = get_object_or_404(visible(request, team_id), pk=user_id)
        service_accounts.service_account_delete(user=request.user, account=found)
        return Response(status=204)


class ServiceTokenList(APIView):
    @operation(
        "service_tokens_create",
        tag="teams",
        body=NewServiceToken,
        answers={201: NewTokenSchema},
        problems=[403, 404, 409],
    )
    def post(self, request: Request, team_id: UUID, user_id: int) -> Response:
        """Make a token for a service account. Its secret is in this answer and nowhere else."""
        found = get_object_or_404(visible(request, team_id), pk=user_id)
        wish = bodies.read(NewServiceToken, request)
        token, secret = service_accounts.service_token_create(user=request.user, account=found, **wish)
        return Response({**token_as_json(token), "token": secret}, status=201, headers={"Cache-Control": "no-store"})


class ServiceTokenDetail(APIView):
    @operation("service_tokens_delete", tag="teams", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, team_id: UUID, user_id: int, token_id: UUID) -> Response:
        """Revoke a token of a service account."""
        found = get_object_or_404(visible(request, team_id), pk=user_id)
        service_accounts.service_token_revoke(user=request.user, account=found, token_id=token_id)
        return Response(status=204)
