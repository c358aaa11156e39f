"""Signing in and out, as Django tells of it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.http import HttpRequest

from engine.errors import PermissionDenied
from webui.accounts.models import User
from webui.audit.recording import entry_record, refusal_record


def watch() -> None:
    user_logged_in.connect(_signed_in, dispatch_uid="audit")
    user_logged_out.connect(_signed_out, dispatch_uid="audit")
    user_login_failed.connect(_failed, dispatch_uid="audit")


def _signed_in(sender: Any, request: HttpRequest | None, user: User, **_: Any) -> None:
    entry_record(action="session.sign_in", user=user, object_name=user.get_username())


def _signed_out(sender: Any, request: HttpRequest | None, user: User | None, **_: Any) -> None:
    if user is not None:
        entry_record(action="session.sign_out", user=user, object_name=user.get_username())


def _failed(sender: Any, credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    """The name that was typed is kept in part: people type passwords into the wrong field."""
    name = str(credentials.get("username") or "")
    known = User.objects.filter(username=name).exists()
    shown = name if known else f"{name[:2]}…"
    refusal_record(PermissionDenied("name or password is wrong", {"action": "session.sign_in"}), what=shown)
