"""SSH keys of builds: a private one goes in, or is made here, and never comes out."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.api import bodies
from webui.api.build_rule_schemas import SshKeySchema
from webui.api.lists import list_parameters, list_response
from webui.api.operations import operation, page_of
from webui.api.views.registries import team_choose
from webui.builds.models import SshKey
from webui.builds.ssh_keys import KEY_MAXIMUM, ssh_key_as_json, ssh_key_create, ssh_key_delete

ORDERING = ("created_at", "name")


class NewSshKey(bodies.Body):
    name = bodies.Text(max_length=64, help_text="What builds call it by.")
    private_key = bodies.Text(
        max_length=KEY_MAXIMUM, required=False, allow_blank=True, write_only=True,
        help_text="As ssh-keygen writes it (Ed25519, ECDSA, RSA), without a passphrase; one is made if it is left out.",
    )  # fmt: skip
    team = bodies.Text(required=False, allow_null=True, help_text="Id or name; may be left out with only one team.")


class SshKeyList(APIView):
    @operation(
        "builds_ssh_keys_list", tag="builds", answers={200: page_of(SshKeySchema)}, problems=[400, 404],
        parameters=list_parameters(ordering=ORDERING),
    )  # fmt: skip
    def get(self, request: Request) -> Response:
        """List the SSH keys that your teams' builds may sign in with."""
        rows = SshKey.objects.visible_to(request.user).select_related("team")
        return list_response(request, rows, ssh_key_as_json, ordering=ORDERING)

    @operation("builds_ssh_keys_create", tag="builds", body=NewSshKey, answers={201: SshKeySchema}, problems=[403, 409])
    def post(self, request: Request) -> Response:
        """Make an SSH key for builds, or store one that you have."""
        wishes = bodies.read(NewSshKey, request)
        team = team_choose(request, wishes.pop("team", None))
        return Response(ssh_key_as_json(ssh_key_create(user=request.user, team=team, **wishes)), status=201)


class SshKeyDetail(APIView):
    @operation("builds_ssh_keys_delete", tag="builds", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, ssh_key_id: UUID) -> Response:
        """Forget an SSH key; servers that know it go on knowing it."""
        rows = SshKey.objects.visible_to(request.user).select_related("team")
        ssh_key_delete(user=request.user, key=get_object_or_404(rows, pk=ssh_key_id))
        return Response(status=204)
