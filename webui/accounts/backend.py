"""Django's sign-in by name and password, with the throttle in front: no form can forget it."""

from __future__ import annotations

import math
import threading
from typing import Any

from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest

from webui.accounts import throttle
from webui.accounts.models import User

HASHING_AT_ONCE = 4
_HASHING = threading.BoundedSemaphore(HASHING_AT_ONCE)
"""Argon2 takes 100 MB for each password, so that a flood of sign-ins would take gigabytes."""


class ThrottledBackend(ModelBackend):
    """Refuses, without looking at the password, while the name has to wait."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        if username is None or password is None:
            return None
        address = address_of(request)
        if throttle.sign_in_begin(username=username, address=address):
            raise PermissionDenied  # Django: no other backend is asked, the answer is "no"
        with _HASHING:
            user = super().authenticate(request, username=username, password=password, **kwargs)
        if user is None:
            return None
        throttle.sign_in_succeeded(username=username, address=address)
        return user  # type: ignore[return-value]

    def user_can_authenticate(self, user: Any) -> bool:
        """Neither who is locked out nor a service account, by whatever way a session of theirs may have come about."""
        return super().user_can_authenticate(user) and user.service_of_id is None


class SignInForm(AuthenticationForm):
    """The sign-in form; says how long to wait instead of claiming that the password is wrong."""

    def clean(self) -> dict[str, Any]:
        username = self.cleaned_data.get("username") or ""
        wait = throttle.sign_in_wait(username=username, address=address_of(self.request))
        if wait:
            seconds = math.ceil(wait.total_seconds())
            raise ValidationError(
                f"Too many failed sign-ins: wait {seconds} seconds, then try again.", code="throttled"
            )
        return super().clean()


def address_of(request: HttpRequest | None) -> str:
    """The client's address; uvicorn has already put a trusted proxy's word for it in its place."""
    return "" if request is None else str(request.META.get("REMOTE_ADDR", ""))
