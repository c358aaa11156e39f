"""Out to an identity provider and back: to sign in, to confirm that one is there, to link the account."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from engine.errors import EngineError, PermissionDenied
from webui.pages.views.session import safe_next
from webui.signin import sessions
from webui.signin.entering import enter
from webui.signin.models import Identity, IdentityProvider
from webui.signin.openid import flow
from webui.signin.openid.people import identity_link, is_same, user_of


@never_cache
@require_safe
def begin(request: HttpRequest, slug: str) -> HttpResponse:
    """Send the browser to the provider. By GET, since a form's way may not lead to another site (our own policy)."""
    provider = get_object_or_404(IdentityProvider, slug=slug, is_enabled=True)
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return redirect("login")  # another site begins no sign-in here
    purpose, next_url = request.GET.get("for", flow.ENTER), safe_next(request, request.GET.get("next"))
    try:
        _check(request, provider, purpose)
        redirect_uri = request.build_absolute_uri(reverse("login-with-callback", args=[slug]))
        return redirect(
            flow.begin(request.session, provider, redirect_uri=redirect_uri, purpose=purpose, next_url=next_url)
        )
    except EngineError as error:
        return _problem(request, error)


@never_cache
@require_safe
def callback(request: HttpRequest, slug: str) -> HttpResponse:
    """Where the provider sends the browser back to."""
    provider = get_object_or_404(IdentityProvider, slug=slug, is_enabled=True)
    try:
        returned = flow.finish(request.session, provider, {name: request.GET[name] for name in request.GET})
        _check(request, provider, returned.purpose)
        if returned.purpose == flow.CONFIRM:
            if not is_same(provider, returned.claims, request.user):  # type: ignore[arg-type]
                raise PermissionDenied("that was somebody else's account: confirm with your own")
            sessions.confirm(request.session)
        elif returned.purpose == flow.LINK:
            identity_link(provider=provider, claims=returned.claims, user=request.user)  # type: ignore[arg-type]
            messages.success(request, f"You can sign in with {provider.name} from now on.")
        else:
            return _enter(request, provider, returned)
    except EngineError as error:
        return _problem(request, error)
    return redirect(returned.next_url)


def _enter(request: HttpRequest, provider: IdentityProvider, returned: flow.Returned) -> HttpResponse:
    user = user_of(provider, returned.claims)
    is_in = enter(
        request,
        user,
        method=provider.name,
        next_url=returned.next_url,
        is_second_shown=provider.asks_second_factor,
    )
    return redirect(returned.next_url if is_in else "login-second")


def _check(request: HttpRequest, provider: IdentityProvider, purpose: str) -> None:
    """Raises PermissionDenied."""
    if purpose == flow.ENTER:
        return
    if purpose not in (flow.CONFIRM, flow.LINK) or not request.user.is_authenticated:
        raise PermissionDenied("sign in first")
    if purpose == flow.LINK and not sessions.is_confirmed(request.session):
        raise PermissionDenied("confirm that it is you first, at /settings/confirm/")
    if purpose == flow.CONFIRM and not Identity.objects.filter(provider=provider, user=request.user).exists():
        raise PermissionDenied("this account is not linked with yours")


def _problem(request: HttpRequest, error: EngineError) -> HttpResponse:
    return render(request, "pages/login_problem.html", {"problem": error.message}, status=403)
