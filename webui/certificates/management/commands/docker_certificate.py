"""`manage.py docker_certificate USERNAME --into DIRECTORY`: what `docker --tlsverify` looks for in DOCKER_CERT_PATH."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from engine.errors import InvalidArgument
from webui.accounts.models import User
from webui.certificates.services import DAYS, authority, certificate_create


class Command(BaseCommand):
    help = "Issue a TLS client certificate for a user: ca.pem, cert.pem and key.pem in a new directory."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--into", required=True, type=Path, help="a directory that is not there yet")
        parser.add_argument("--name", default="docker", help="how it is listed among the user's certificates")
        parser.add_argument("--days", type=int, default=DAYS, help=f"how long it lasts (default {DAYS})")

    def handle(self, *_args: Any, username: str, into: Path, name: str, days: int, **_options: Any) -> None:
        user = User.objects.filter(username=username, is_active=True).first()
        if user is None:
            raise CommandError(f"there is no active user {username!r}: the first administrator is called admin")
        try:
            into.mkdir(mode=0o700, parents=True)
        except FileExistsError:
            raise CommandError(f"{into} is there already: name a new directory") from None
        except OSError as error:
            raise CommandError(f"{into} can't be made: {error.strerror}") from error
        try:
            _, issued = certificate_create(user=user, name=name, days=days)
        except InvalidArgument as error:
            into.rmdir()
            raise CommandError(error.message) from error
        for file, data in (("ca.pem", authority().ca_pem), ("cert.pem", issued.certificate), ("key.pem", issued.key)):
            fd = os.open(into / file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(fd, "wb") as opened:
                opened.write(data)
        self.stdout.write(f"docker --tlsverify -H tcp://ADDRESS, with DOCKER_CERT_PATH={into}")
