"""Passkeys (WebAuthn level 2): made in the settings, shown as a second factor, or instead of the password.

A challenge lives in the session, for one answer and one purpose. The site's name is the one it is asked under: it knows
no other, and the authenticator signs only for the name that its browser sees.
"""

from __future__ import annotations

import ipaddress
import struct
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from fido2.cose import UnsupportedKey
from fido2.server import Fido2Server
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import (
    AttestedCredentialData,
    AuthenticationResponse,
    PublicKeyCredentialDescriptor,
    PublicKeyCredentialRpEntity,
    PublicKeyCredentialType,
    PublicKeyCredentialUserEntity,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from engine.errors import Conflict, InvalidArgument, NotFound, PermissionDenied
from webui.accounts.models import User
from webui.signin.factors import recovery_codes_first, recovery_codes_forget
from webui.signin.models import Passkey

CEREMONY = "signin_passkey"
CEREMONY_SECONDS = 300.0
PASSKEYS_MAXIMUM = 20
ENTER, SECOND, CONFIRM, REGISTER = "enter", "second", "confirm", "register"

_MALFORMED = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RecursionError,
    TypeError,
    ValueError,
    struct.error,
)
"""What the library raises for what is not a credential at all."""


def is_possible(request: HttpRequest) -> bool:
    """Browsers make passkeys for names alone, over TLS or on the machine itself (WebAuthn, section 5.1.3)."""
    name = _name(request)
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return request.is_secure() or name == "localhost" or name.endswith(".localhost")
    return False


def register_begin(request: HttpRequest, user: User) -> dict[str, Any]:
    """What `navigator.credentials.create` wants, as JSON. Raises Conflict at too many passkeys."""
    mine = Passkey.objects.filter(user=user)
    if mine.count() >= PASSKEYS_MAXIMUM:
        raise Conflict(f"there are {PASSKEYS_MAXIMUM} passkeys already: remove one first")
    entity = PublicKeyCredentialUserEntity(
        name=user.get_username(), id=_handle(user), display_name=user.get_full_name() or user.get_username()
    )
    options, state = _server(request).register_begin(
        entity,
        _descriptors(mine.filter(rp_id=_name(request))),
        resident_key_requirement=ResidentKeyRequirement.PREFERRED,
        user_verification=UserVerificationRequirement.PREFERRED,
    )
    _remember(request, REGISTER, state, user)
    return dict(options)


def register_complete(
    request: HttpRequest, user: User, *, name: str, answer: Mapping[str, Any]
) -> tuple[Passkey, list[str]]:
    """Keep the passkey that the browser made; answers it, and recovery codes if there were none yet.

    Raises InvalidArgument.
    """
    name = _given_name(name)
    state = _recall(request, REGISTER, user)
    try:
        made = _server(request).register_complete(state, answer)
    except _MALFORMED as error:
        raise InvalidArgument("the browser's answer was not accepted: try again") from error
    credential = made.credential_data
    assert credential is not None
    if len(credential.credential_id) > 1023 or isinstance(credential.public_key, UnsupportedKey):
        raise InvalidArgument("the browser's answer was not accepted: try again")
    passkey, is_new = Passkey.objects.get_or_create(
        credential_id=websafe_encode(credential.credential_id),
        defaults={
            "user": user,
            "name": name,
            "rp_id": _name(request),
            "credential": bytes(credential),
            "sign_count": made.counter,
        },
    )
    if not is_new:
        raise InvalidArgument("this passkey is here already: use another")
    return passkey, recovery_codes_first(user=user)


def show_begin(request: HttpRequest, purpose: str, user: User | None) -> dict[str, Any]:
    """What `navigator.credentials.get` wants. To sign in by a passkey alone (`user` None) it has to know its holder."""
    mine = Passkey.objects.filter(user=user, rp_id=_name(request))
    need = UserVerificationRequirement.REQUIRED if user is None else UserVerificationRequirement.PREFERRED
    options, state = _server(request).authenticate_begin(
        None if user is None else _descriptors(mine),
        user_verification=need,
    )
    _remember(request, purpose, state, user)
    return dict(options)


def show_complete(request: HttpRequest, purpose: str, user: User | None, answer: Mapping[str, Any]) -> User:
    """The active user who holds the passkey; with `user`, nobody else's counts. Raises PermissionDenied."""
    refused = PermissionDenied("the passkey was not accepted: try again, or sign in another way")
    try:
        state = _recall(request, purpose, user)
        response = AuthenticationResponse.from_dict(answer)
        passkey = _holding(request, user, response)
        server = _server(request)
        server.authenticate_complete(state, [AttestedCredentialData(bytes(passkey.credential))], response)
    except (*_MALFORMED, InvalidArgument, Passkey.DoesNotExist) as error:
        raise refused from error
    count = response.response.authenticator_data.counter
    # A counter that does not rise means that there is a copy of the authenticator (WebAuthn, section 6.1.1).
    known = Passkey.objects.filter(pk=passkey.pk)
    if count or passkey.sign_count:
        known = known.filter(sign_count__lt=count)
    if known.update(sign_count=count, last_used_at=timezone.now()) != 1:
        raise refused
    return passkey.user


def passkey_rename(*, user: User, passkey_id: object, name: str) -> None:
    """Raises NotFound, for other people's too, and InvalidArgument with the field `name`."""
    passkey = Passkey.objects.filter(user=user, pk=passkey_id).first()
    if passkey is None:
        raise NotFound("no such passkey")
    passkey.name = _given_name(name)
    passkey.save(update_fields=["name"])


def passkey_remove(*, user: User, passkey_id: object) -> None:
    """Raises NotFound, for other people's too. Recovery codes go with the last factor."""
    deleted, _ = Passkey.objects.filter(user=user, pk=passkey_id).delete()
    if not deleted:
        raise NotFound("no such passkey")
    recovery_codes_forget(user=user)


def _given_name(text: str) -> str:
    """Raises InvalidArgument with the field `name`."""
    name = " ".join(text.split())
    if not name or len(name) > 80 or not name.isprintable():
        message = "Give the passkey a name of 1 to 80 characters."
        raise InvalidArgument(message, {"fields": {"name": [message]}})
    return name


def _holding(request: HttpRequest, user: User | None, response: AuthenticationResponse) -> Passkey:
    """The passkey of the answer. Raises Passkey.DoesNotExist, for other people's and other holders' too."""
    found = Passkey.objects.select_related("user").filter(rp_id=_name(request), user__is_active=True)
    if user is not None:
        found = found.filter(user=user)
    passkey = found.get(credential_id=websafe_encode(response.raw_id))
    handle = response.response.user_handle
    if handle and not constant_time_compare(handle, _handle(passkey.user)):
        raise Passkey.DoesNotExist
    return passkey


def _server(request: HttpRequest) -> Fido2Server:
    origin = f"{request.scheme}://{request.get_host()}"
    entity = PublicKeyCredentialRpEntity(name="Portside", id=_name(request))
    return Fido2Server(entity, verify_origin=lambda seen: seen == origin)


def _name(request: HttpRequest) -> str:
    return urlsplit(f"//{request.get_host()}").hostname or ""


def _handle(user: User) -> bytes:
    """How authenticators know the user: it says nothing about him (WebAuthn, section 14.6.1)."""
    return salted_hmac("portside passkeys", str(user.pk), algorithm="sha256").digest()


def _descriptors(passkeys: Any) -> list[PublicKeyCredentialDescriptor]:
    return [
        PublicKeyCredentialDescriptor(type=PublicKeyCredentialType.PUBLIC_KEY, id=websafe_decode(passkey.credential_id))
        for passkey in passkeys
    ]


def _remember(request: HttpRequest, purpose: str, state: Mapping[str, Any], user: User | None) -> None:
    plain = {name: None if value is None else str(getattr(value, "value", value)) for name, value in state.items()}
    request.session[CEREMONY] = {
        "purpose": purpose,
        "user": None if user is None else user.pk,
        "at": time.time(),
        "state": plain,
    }


def _recall(request: HttpRequest, purpose: str, user: User | None) -> dict[str, Any]:
    """The challenge, which counts once. Raises InvalidArgument."""
    note = request.session.pop(CEREMONY, None)
    whose = None if user is None else user.pk
    if not isinstance(note, dict) or (note["purpose"], note["user"]) != (purpose, whose):
        raise InvalidArgument("this passkey was not asked for: try again")
    if time.time() - note["at"] > CEREMONY_SECONDS:
        raise InvalidArgument("that took too long: try again")
    return dict(note["state"])
