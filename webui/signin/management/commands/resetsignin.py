"""`manage.py resetsignin USERNAME`: a way back in for who has lost the second factor, or the password."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from webui.accounts.models import User
from webui.accounts.services import readable_password
from webui.signin.models import SignInSettings
from webui.signin.resetting import second_factor_forget


class Command(BaseCommand):
    help = "Remove a user's second factors (code generator, passkeys, recovery codes) and sign him out everywhere."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument(
            "--password", action="store_true", help="also make a one-time password, printed and to be changed"
        )
        parser.add_argument(
            "--not-required",
            action="store_true",
            help="also stop the site from requiring a second factor",
        )

    @transaction.atomic
    def handle(
        self, *args: Any, username: str, password: bool = False, not_required: bool = False, **options: Any
    ) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"there is no user {username!r}: the first administrator is called admin")
        if not_required:
            _require_no_second_factor()
        ended = second_factor_forget(user)
        self.stderr.write(f"{username} has no second factor any more; {ended} sessions are signed out.")
        if password:
            secret = readable_password()
            user.set_password(secret)
            user.must_change_password = True
            user.save(update_fields=["password", "must_change_password"])
            self.stdout.write(secret)


def _require_no_second_factor() -> None:
    """Saved as a row, so that the audit log says so."""
    for found in SignInSettings.objects.filter(require_second_factor=True):
        found.require_second_factor = False
        found.save(update_fields=["require_second_factor"])
