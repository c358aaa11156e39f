"""`manage.py token USERNAME` prints one line: a new API token of that user."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from webui.accounts.models import User
from webui.accounts.services import token_create


class Command(BaseCommand):
    help = "Make an API token for a user and print it, the only line on standard output."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="command line", help="how the token is listed in the user's settings")

    def handle(self, *args: Any, username: str, name: str, **options: Any) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"there is no user {username!r}: the first administrator is called admin")
        _, secret = token_create(user=user, name=name)
        self.stdout.write(secret)
