"""People of the installation: administrators keep them, others see those of their teams."""

from __future__ import annotations

from typing import Any

from django.db.models import Prefetch, Q, QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.accounts.models import Membership, User
from webui.accounts.people import people_visible, user_change, user_create, user_delete, user_reset_password
from webui.accounts.representation import person_as_json
from webui.api import bodies
from webui.api.authentication import require_confirmed
from webui.api.lists import list_parameters, list_response, parameter
from webui.api.operations import operation, page_of
from webui.api.people_schemas import NewPersonSchema, PasswordSchema, PersonSchema

ORDERING = ("date_joined", "username", "last_login")
YES_NO = ("true", "false")
FRESH = {"Cache-Control": "no-store"}


@extend_schema_serializer(examples=[OpenApiExample("Somebody new", value={"username": "ann", "name": "Ann Lee"})])
class NewPerson(bodies.Body):
    username = bodies.Text(max_length=150)
    name = bodies.Text(max_length=150, required=False, allow_blank=True)
    email = bodies.Text(max_length=254, required=False, allow_blank=True)
    administrator = bodies.Flag(required=False)


class PersonChanges(bodies.Body):
    """What is left out stays as it is."""

    username = bodies.Text(max_length=150, required=False)
    name = bodies.Text(max_length=150, required=False, allow_blank=True)
    email = bodies.Text(max_length=254, required=False, allow_blank=True)
    administrator = bodies.Flag(required=False)
    active = bodies.Flag(required=False, help_text="false: locked out, at once and with all tokens.")


def visible(request: Request) -> QuerySet[User]:
    teams = Membership.objects.visible_to(request.user).select_related("team").order_by("team__name")
    return people_visible(request.user).prefetch_related(Prefetch("memberships", teams, to_attr="shown_memberships"))


def shown(user: Any) -> dict[str, Any]:
    return person_as_json(user, user.shown_memberships)


class PersonList(APIView):
    @operation(
        "users_list",
        tag="users",
        answers={200: page_of(PersonSchema)},
        problems=[400, 404],
        parameters=list_parameters(
            ordering=ORDERING,
            search="Part of a user name, a name or an address.",
            filters={
                "active": "Whether they may sign in.",
                "administrator": "Whether they are administrators.",
                "service_account": "Service accounts, or people.",
            },
            active=YES_NO,
            administrator=YES_NO,
            service_account=YES_NO,
        ),
    )
    def get(self, request: Request) -> Response:
        """List people: all for administrators, else those of your teams."""
        rows = visible(request)
        if search := parameter(request, "search"):
            named = Q(username__icontains=search) | Q(first_name__icontains=search)
            rows = rows.filter(named | Q(email__icontains=search))
        for name, field in (("active", "is_active"), ("administrator", "is_superuser")):
            if wish := parameter(request, name, YES_NO):
                rows = rows.filter(**{field: wish == "true"})
        if wish := parameter(request, "service_account", YES_NO):
            rows = rows.filter(service_of__isnull=wish == "false")
        return list_response(request, rows, shown, ordering=ORDERING)

    @operation("users_create", tag="users", body=NewPerson, answers={201: NewPersonSchema}, problems=[403, 409])
    def post(self, request: Request) -> Response:
        """Make somebody, in no team yet. The password is in this answer and nowhere else."""
        wish = bodies.read(NewPerson, request)
        if wish.get("administrator"):
            require_confirmed(request)
        made, secret = user_create(user=request.user, **wish)
        return Response({**person_as_json(made, ()), "password": secret}, status=201, headers=FRESH)


class PersonDetail(APIView):
    @operation("users_retrieve", tag="users", answers={200: PersonSchema}, problems=[404])
    def get(self, request: Request, user_id: int) -> Response:
        """Look at somebody."""
        return Response(shown(get_object_or_404(visible(request), pk=user_id)))

    @operation("users_update", tag="users", body=PersonChanges, answers={200: PersonSchema}, problems=[403, 404, 409])
    def patch(self, request: Request, user_id: int) -> Response:
        """Change somebody; your own name and address are yours to change, the rest an administrator's."""
        found = get_object_or_404(visible(request), pk=user_id)
        changes = bodies.read(PersonChanges, request)
        if changes.get("administrator"):
            require_confirmed(request)
        user_change(user=request.user, target=found, **changes)
        return Response(shown(found))

    @operation("users_delete", tag="users", answers={204: None}, problems=[403, 404, 409])
    def delete(self, request: Request, user_id: int) -> Response:
        """Delete somebody with memberships and tokens; what they made stays."""
        user_delete(user=request.user, target=get_object_or_404(visible(request), pk=user_id))
        return Response(status=204)


class PersonPassword(APIView):
    @operation(
        "users_reset_password",
        tag="users",
        body=bodies.EmptyBody,
        answers={200: PasswordSchema},
        problems=[403, 404, 409],
    )
    def post(self, request: Request, user_id: int) -> Response:
        """Give somebody a password for one sign-in. It is in this answer and nowhere else."""
        require_confirmed(request)
        found = get_object_or_404(visible(request), pk=user_id)
        return Response({"password": user_reset_password(user=request.user, target=found)}, headers=FRESH)
