"""Second factors: the code generator, recovery codes, passkeys."""

from __future__ import annotations

from typing import Any

import segno
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from engine.errors import Conflict, EngineError, InvalidArgument, PermissionDenied
from webui.accounts.models import User
from webui.pages.views.account.parts import account_page
from webui.pages.views.session import json_of, json_problem
from webui.parameters import is_uuid
from webui.signin import passkeys, sessions, totp
from webui.signin.factors import (
    factors_of,
    recovery_codes_renew,
    totp_begin,
    totp_confirm,
    totp_remove,
)
from webui.signin.holding import second_factor_is_required
from webui.signin.models import Passkey


def _act(request: HttpRequest) -> HttpResponse | dict[str, Any]:
    action, user = request.POST.get("action"), _user(request)
    if action == "begin":
        return _setup(request)
    if action == "confirm":
        try:
            codes = totp_confirm(user=user, code=request.POST.get("code", "")[:100])
        except InvalidArgument as error:
            return _setup(request) | {"problems": error.detail["fields"], "status": 422}
        sessions.factor_gained(request, user)
        return {"new_codes": codes, "done": "The code generator is set up. You are signed out everywhere else."}
    if action == "codes":
        if not factors_of(user).is_second_there:
            raise Conflict("set up a second factor first: recovery codes stand in for one")
        return {"new_codes": recovery_codes_renew(user=user)}
    if action == "remove":
        _check_not_last(user, totp=True)
        totp_remove(user=user)
        messages.success(request, "The code generator is removed.")
        return redirect("second-factor")
    raise InvalidArgument("there is no such action")


@account_page("pages/account/second_factor.html", tab="second-factor", act=_act, while_held=True, is_dangerous=True)
def second_factor(request: HttpRequest) -> dict[str, Any]:
    user = _user(request)
    return {"factors": factors_of(user), "is_required": second_factor_is_required(user)}


def _setup(request: HttpRequest) -> dict[str, Any]:
    user = _user(request)
    secret = totp_begin(user=user)
    uri = totp.uri(secret, user.get_username(), request.get_host())
    drawing = segno.make(uri, error="m", micro=False).svg_inline(scale=4, border=3, dark="#000", light="#fff")
    groups = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    return {"setup": {"secret": groups, "uri": uri, "qr": SafeString(drawing)}}  # nothing but lines is in it


def _act_passkeys(request: HttpRequest) -> HttpResponse:
    user, passkey_id, action = _user(request), request.POST.get("id", ""), request.POST.get("action")
    if not is_uuid(passkey_id) or not Passkey.objects.filter(user=user, pk=passkey_id).exists():
        raise InvalidArgument("there is no such passkey any more: load the page anew")
    if action == "rename":
        passkeys.passkey_rename(user=user, passkey_id=passkey_id, name=request.POST.get("name", ""))
        messages.success(request, "The passkey is renamed.")
    elif action == "remove":
        _check_not_last(user, totp=False)
        passkeys.passkey_remove(user=user, passkey_id=passkey_id)
        messages.success(request, "The passkey is removed: it opens nothing here any more.")
    else:
        raise InvalidArgument("there is no such action")
    return redirect("passkeys")


@account_page("pages/account/passkeys.html", tab="passkeys", act=_act_passkeys, while_held=True, is_dangerous=True)
def passkey_list(request: HttpRequest) -> dict[str, Any]:
    user = _user(request)
    return {
        "passkeys": Passkey.objects.filter(user=user),
        "is_possible": passkeys.is_possible(request),
        "host": request.get_host(),
    }


@login_required
@never_cache
@require_POST
def passkey_options(request: HttpRequest) -> HttpResponse:
    """What the browser needs to make a passkey."""
    try:
        _require_confirmed(request)
        return JsonResponse(passkeys.register_begin(request, _user(request)))
    except EngineError as error:
        return json_problem(error)


@login_required
@never_cache
@require_POST
def passkey_add(request: HttpRequest) -> HttpResponse:
    """What the browser made: `{"answer": …, "name": …}`; ours are the recovery codes, if there were none."""
    user = _user(request)
    try:
        _require_confirmed(request)
        body = json_of(request)
        _, codes = passkeys.register_complete(request, user, name=str(body.get("name", "")), answer=body["answer"])
    except EngineError as error:
        return json_problem(error)
    sessions.factor_gained(request, user)
    return JsonResponse({"codes": codes}, status=201)


def _require_confirmed(request: HttpRequest) -> None:
    if _user(request).must_change_password:
        raise PermissionDenied("choose a password of your own first")
    if not sessions.is_confirmed(request.session):
        raise PermissionDenied("confirm that it is you first, at /settings/confirm/")


def _check_not_last(user: User, *, totp: bool) -> None:
    """Where a second factor is required, the last one is exchanged by adding another first. Raises Conflict."""
    factors = factors_of(user)
    left = factors.passkeys if totp else factors.passkeys - 1 + factors.totp
    if left <= 0 and second_factor_is_required(user):
        raise Conflict("one of your teams requires a second factor: add another one before you remove the last")


def _user(request: HttpRequest) -> User:
    return request.user  # type: ignore[return-value]
