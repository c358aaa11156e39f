"""The asker's own API tokens."""

from __future__ import annotations

from uuid import UUID

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.accounts.models import ApiToken
from webui.accounts.representation import token_as_json
from webui.accounts.services import token_create, token_revoke
from webui.api import bodies
from webui.api.lists import list_parameters, list_response
from webui.api.operations import operation, page_of
from webui.api.schemas import NewTokenSchema, TokenSchema

ORDERING = ("created_at", "name", "last_used_at")


class NewToken(bodies.Body):
    name = bodies.Text(max_length=80, help_text="How you will know it again.")


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
        rows = ApiToken.objects.filter(user=request.user)
        return list_response(request, rows, token_as_json, ordering=ORDERING)

    @operation("tokens_create", tag="tokens", body=NewToken, answers={201: NewTokenSchema})
    def post(self, request: Request) -> Response:
        """Make an API token. Its secret is in this answer and nowhere else."""
        token, secret = token_create(user=request.user, **bodies.read(NewToken, request))
        return Response({**token_as_json(token), "token": secret}, status=201, headers={"Cache-Control": "no-store"})


class TokenDetail(APIView):
    @operation("tokens_delete", tag="tokens", answers={204: None}, problems=[404])
    def delete(self, request: Request, token_id: UUID) -> Response:
        """Revoke one of your tokens."""
        token_revoke(user=request.user, token_id=token_id)
        return Response(status=204)
