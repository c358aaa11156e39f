"""The asker's own API tokens."""

from __future__ import annotations

from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.accounts.models import ApiToken
from webui.accounts.representation import token_as_json
from webui.accounts.tokens import DAYS_MAXIMUM, teams_for_token, token_create, token_revoke
from webui.api import bodies
from webui.api.authentication import require_confirmed
from webui.api.lists import list_parameters, list_response
from webui.api.operations import operation, page_of
from webui.api.schemas import NewTokenSchema, TokenSchema

ORDERING = ("created_at", "name", "last_used_at")


@extend_schema_serializer(examples=[OpenApiExample("For a script", value={"name": "deploy", "days": 90})])
class NewToken(bodies.Body):
    name = bodies.Text(max_length=80, help_text="How you will know it again.")
    scopes = bodies.serializers.ListField(
        child=bodies.Text(max_length=80),
        required=False,
        allow_null=True,
        help_text="Actions that it may do, or `read` for all that only look; null: all that you may do.",
    )
    team = bodies.serializers.UUIDField(
        required=False, allow_null=True, help_text="The only team whose objects it reaches; null: all of yours."
    )
    days = bodies.Whole(
        (1, DAYS_MAXIMUM), required=False, allow_null=True, help_text="How long it lasts; null: for ever."
    )


class TokenList(APIView):
    @operation(
        "tokens_list",
        tag="tokens",
        answers={200: page_of(TokenSchema)},
        problems=[400, 404],
        parameters=list_parameters(ordering=ORDERING),
    )
    def get(self, request: Request) -> Response:
        """List your API tokens."""
        rows = ApiToken.objects.filter(user=request.user).select_related("team")
        return list_response(request, rows, token_as_json, ordering=ORDERING)

    @operation("tokens_create", tag="tokens", body=NewToken, answers={201: NewTokenSchema}, problems=[403])
    def post(self, request: Request) -> Response:
        """Make an API token. Its secret is in this answer and nowhere else."""
        require_confirmed(request)
        wish = bodies.read(NewToken, request)
        if wish.get("team") is not None:
            wish["team"] = teams_for_token(request.user, wish["team"])
        token, secret = token_create(user=request.user, **wish)
        return Response({**token_as_json(token), "token": secret}, status=201, headers={"Cache-Control": "no-store"})


class TokenDetail(APIView):
    @operation("tokens_delete", tag="tokens", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, token_id: UUID) -> Response:
        """Revoke one of your tokens."""
        token_revoke(user=request.user, token_id=token_id)
        return Response(status=204)
