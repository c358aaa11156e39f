"""Where the asker is signed in; and, for administrators, how people sign in at all."""

from __future__ import annotations

from uuid import UUID

from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from webui.accounts.people import people_visible
from webui.accounts.tokens import require_unlimited
from webui.api import bodies
from webui.api.authentication import require_confirmed
from webui.api.lists import list_parameters, list_response
from webui.api.operations import operation, page_of
from webui.api.sign_in_schemas import (
    IdentityProviderSchema,
    NewProvider,
    ProviderChanges,
    SessionSchema,
    SignInPolicy,
    SignInPolicySchema,
)
from webui.signin.models import IdentityProvider
from webui.signin.openid.providers import provider_remove, provider_save, require_administrator
from webui.signin.policy import require_second_factor_everywhere, second_factor_everywhere
from webui.signin.representation import provider_as_json, providers_shown, session_as_json
from webui.signin.resetting import second_factor_reset
from webui.signin.sessions import session_end, sessions_of

SESSIONS_ORDERING = ("last_seen_at", "created_at")
PROVIDERS_ORDERING = ("name", "created_at")


class SessionList(APIView):
    @operation(
        "sessions_list",
        tag="sessions",
        answers={200: page_of(SessionSchema)},
        problems=[400, 404],
        parameters=list_parameters(ordering=SESSIONS_ORDERING),
    )
    def get(self, request: Request) -> Response:
        """List where you are signed in."""
        key = None if request.user.token_id is not None else request.session.session_key
        rows = sessions_of(request.user)
        return list_response(request, rows, lambda row: session_as_json(row, key), ordering=SESSIONS_ORDERING)


class SessionDetail(APIView):
    @operation("sessions_delete", tag="sessions", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, session_id: UUID) -> Response:
        """Sign one of your sessions out."""
        require_unlimited(request.user)
        session_end(user=request.user, session_id=session_id)
        return Response(status=204)


class ProviderList(APIView):
    @operation(
        "identity_providers_list",
        tag="identity providers",
        answers={200: page_of(IdentityProviderSchema)},
        problems=[400, 403, 404],
        parameters=list_parameters(ordering=PROVIDERS_ORDERING),
    )
    def get(self, request: Request) -> Response:
        """List the identity providers. For administrators."""
        require_administrator(request.user)
        return list_response(request, providers_shown(), provider_as_json, ordering=PROVIDERS_ORDERING)

    @operation(
        "identity_providers_create",
        tag="identity providers",
        body=NewProvider,
        answers={201: IdentityProviderSchema},
        problems=[403, 409, 503],
    )
    def post(self, request: Request) -> Response:
        """Add a provider; it is asked at once what it offers. For administrators."""
        require_administrator(request.user)
        require_confirmed(request)
        made = provider_save(user=request.user, **bodies.read(NewProvider, request))
        return Response(provider_as_json(providers_shown().get(pk=made.pk)), status=201)


class ProviderDetail(APIView):
    @operation(
        "identity_providers_get", tag="identity providers", answers={200: IdentityProviderSchema}, problems=[403, 404]
    )
    def get(self, request: Request, provider_id: UUID) -> Response:
        """Show a provider."""
        require_administrator(request.user)
        return Response(provider_as_json(get_object_or_404(providers_shown(), pk=provider_id)))

    @operation(
        "identity_providers_update",
        tag="identity providers",
        body=ProviderChanges,
        answers={200: IdentityProviderSchema},
        problems=[403, 404, 409, 503],
    )
    def patch(self, request: Request, provider_id: UUID) -> Response:
        """Change a provider, and which groups are which roles."""
        require_administrator(request.user)
        require_confirmed(request)
        provider = get_object_or_404(providers_shown(), pk=provider_id)
        provider_save(user=request.user, provider=provider, **bodies.read(ProviderChanges, request))
        return Response(provider_as_json(providers_shown().get(pk=provider_id)))

    @operation("identity_providers_delete", tag="identity providers", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, provider_id: UUID) -> Response:
        """Remove a provider; its people stay, and need another way in."""
        require_administrator(request.user)
        require_confirmed(request)
        provider_remove(user=request.user, provider=get_object_or_404(IdentityProvider, pk=provider_id))
        return Response(status=204)


class PersonSecondFactor(APIView):
    @operation("users_reset_second_factor", tag="users", answers={204: None}, problems=[403, 404])
    def delete(self, request: Request, user_id: int) -> Response:
        """Take somebody's second factors away, who has lost them, and sign him out everywhere. For administrators."""
        require_confirmed(request)
        found = get_object_or_404(people_visible(request.user), pk=user_id)
        second_factor_reset(user=request.user, target=found)
        return Response(status=204)


class Policy(APIView):
    @operation("sign_in_get", tag="sign-in", answers={200: SignInPolicySchema}, problems=[403])
    def get(self, request: Request) -> Response:
        """What signing in needs on all of the site. For administrators."""
        require_administrator(request.user)
        return Response({"require_second_factor": second_factor_everywhere()})

    @operation("sign_in_update", tag="sign-in", body=SignInPolicy, answers={200: SignInPolicySchema}, problems=[403])
    def patch(self, request: Request) -> Response:
        """Change what signing in needs. For administrators."""
        require_administrator(request.user)
        require_confirmed(request)
        is_required = bodies.read(SignInPolicy, request)["require_second_factor"]
        require_second_factor_everywhere(user=request.user, is_required=is_required)
        return Response({"require_second_factor": is_required})
