"""`manage.py token USERNAME` prints one line: a new API token of that user."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from engine.errors import InvalidArgument
from webui.accounts.models import Team, User
from webui.accounts.tokens import token_create


class Command(BaseCommand):
    help = "Make an API token for a user and print it, the only line on standard output."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--name", default="command line", help="how the token is listed in the user's settings")
        parser.add_argument("--scope", action="append", help="an action that it may do, or read; repeat for several")
        parser.add_argument("--team", help="the name of the only team that it reaches")
        parser.add_argument("--days", type=int, help="how long it lasts; without this it has no end")

    def handle(
        self,
        *args: Any,
        username: str,
        name: str,
        scope: list[str] | None = None,
        team: str | None = None,
        days: int | None = None,
        **options: Any,
    ) -> None:
        user = User.objects.filter(username=username).first()
        if user is None:
            raise CommandError(f"there is no user {username!r}: the first administrator is called admin")
        only = None if team is None else Team.objects.filter(name=team).first()
        if team is not None and only is None:
            raise CommandError(f"there is no team {team!r}")
        try:
            _, secret = token_create(user=user, name=name, scopes=scope, team=only, days=days)
        except InvalidArgument as error:
            raise CommandError(error.message) from error
        self.stdout.write(secret)
