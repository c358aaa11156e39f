"""Roles: the built-in ones, and those that administrators make of the table of actions."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.accounts.actions import ACTIONS, roles_with
from webui.accounts.custom_roles import role_change, role_create, role_delete
from webui.accounts.models import CustomRole
from webui.accounts.representation import role_as_json, roles_as_json
from webui.api import bodies
from webui.api.operations import operation
from webui.api.people_schemas import ActionsSchema, RoleSchema, RolesSchema


def _actions(**options: Any) -> bodies.serializers.ListField:
    return bodies.serializers.ListField(child=bodies.Text(max_length=40), max_length=200, **options)


@extend_schema_serializer(
    examples=[OpenApiExample("For who pulls", value={"name": "Puller", "actions": ["images.view", "images.pull"]})]
)
class NewRole(bodies.Body):
    name = bodies.Text(max_length=80)
    description = bodies.Text(max_length=300, required=False, allow_blank=True)
    actions = _actions()


class RoleChanges(bodies.Body):
    """What is left out stays as it is."""

    name = bodies.Text(max_length=80, required=False)
    description = bodies.Text(max_length=300, required=False, allow_blank=True)
    actions = _actions(required=False)


class ActionList(APIView):
    @operation("actions_list", tag="roles", answers={200: ActionsSchema})
    def get(self, request: Request) -> Response:
        """The table of all that can be allowed, with words for people."""
        rows = [
            {
                "name": action.name,
                "words": action.words,
                "level": action.level.value,
                "roles": list(roles_with(action.name)),
            }
            for action in ACTIONS
        ]
        return Response({"results": rows})


class RoleList(APIView):
    @operation("roles_list", tag="roles", answers={200: RolesSchema})
    def get(self, request: Request) -> Response:
        """The roles that members can have: the built-in ones first."""
        return Response({"results": roles_as_json()})

    @operation("roles_create", tag="roles", body=NewRole, answers={201: RoleSchema}, problems=[403, 409])
    def post(self, request: Request) -> Response:
        """Make a role of some actions. For administrators."""
        return Response(role_as_json(role_create(user=request.user, **bodies.read(NewRole, request))), status=201)


class RoleDetail(APIView):
    @operation("roles_retrieve", tag="roles", answers={200: RoleSchema}, problems=[404])
    def get(self, request: Request, role_key: str) -> Response:
        """Look at a custom role."""
        return Response(role_as_json(get_object_or_404(CustomRole, pk=role_key)))

    @operation("roles_update", tag="roles", body=RoleChanges, answers={200: RoleSchema}, problems=[403, 404, 409])
    def patch(self, request: Request, role_key: str) -> Response:
        """Change a custom role for everybody who has it. For administrators."""
        found = get_object_or_404(CustomRole, pk=role_key)
        role_change(user=request.user, role=found, **bodies.read(RoleChanges, request))
        return Response(role_as_json(CustomRole.objects.get(pk=found.pk)))

    @operation("roles_delete", tag="roles", answers={204: None}, problems=[403, 404, 409])
    def delete(self, request: Request, role_key: str) -> Response:
        """Delete a custom role that nobody has. For administrators."""
        role_delete(user=request.user, role=get_object_or_404(CustomRole, pk=role_key))
        return Response(status=204)
