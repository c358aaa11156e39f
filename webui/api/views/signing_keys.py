"""Keys for signatures of images: a private one goes in, or is made here, and never comes out."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api import bodies
from webui.api.image_schemas import SigningKeySchema
from webui.api.lists import list_parameters, list_response
from webui.api.operations import operation, page_of
from webui.api.views.registries import team_choose
from webui.images.models import SigningKey
from webui.images.signing import signing_key_as_json, signing_key_create, signing_key_delete

ORDERING = ("created_at", "name")


class NewSigningKey(bodies.Body):
    name = bodies.Text(max_length=64)
    private_key = bodies.Text(
        required=False, allow_blank=True, write_only=True,
        help_text="PEM (PKCS #8, ECDSA on P-256, without a password). Left out, with public_key: a new pair is made.",
    )  # fmt: skip
    public_key = bodies.Text(
        required=False, allow_blank=True, help_text="PEM: a key that is only looked for, and does not sign."
    )
    team = bodies.Text(required=False, allow_null=True, help_text="Id or name; may be left out with only one team.")


class SigningKeyList(APIView):
    @operation(
        "signing_keys_list",
        tag="registries",
        answers={200: page_of(SigningKeySchema)},
        problems=[400, 404],
        parameters=list_parameters(ordering=ORDERING),
    )
    def get(self, request: Request) -> Response:
        """List the keys with which your teams sign images."""
        rows = SigningKey.objects.visible_to(request.user).select_related("team")
        return list_response(request, rows, signing_key_as_json, ordering=ORDERING)

    @operation(
        "signing_keys_create",
        tag="registries",
        body=NewSigningKey,
        answers={201: SigningKeySchema},
        problems=[403, 409],
    )
    def post(self, request: Request) -> Response:
        """Make a key for signatures, or store one that you have."""
        wishes = bodies.read(NewSigningKey, request)
        team = team_choose(request, wishes.pop("team", None))
        key = signing_key_create(user=request.user, team=team, **wishes)
        return Response(signing_key_as_json(key), status=201)


class SigningKeyDetail(APIView):
    @operation("signing_keys_delete", tag="registries", answers={204: None}, problems=[403, 404, 409])
    def delete(self, request: Request, key_id: UUID) -> Response:
        """Forget a key that no policy needs; what it has signed stays signed."""
        rows = SigningKey.objects.visible_to(request.user).select_related("team")
        signing_key_delete(user=request.user, key=get_object_or_404(rows, pk=key_id))
        return Response(status=204)
