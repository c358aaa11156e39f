"""`manage.py audit_trim --before DATE --into FILE` moves old entries out of the database, the only way to lose any."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection, transaction

from webui.audit import triggers
from webui.audit.export import NDJSON, lines
from webui.audit.models import AuditEntry
from webui.audit.recording import entry_record


class Command(BaseCommand):
    help = "Write entries of the audit log from before a date to a new file, a JSON object a line, and delete them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--before", required=True, help="the first day that stays, such as 2026-01-31")
        parser.add_argument("--into", required=True, type=Path, help="a file that is not there yet")

    def handle(self, *_args: Any, before: str, into: Path, **_options: Any) -> None:
        try:
            day = datetime.fromisoformat(before).replace(tzinfo=UTC)
        except ValueError:
            raise CommandError(f"{before!r} is no date: write it as 2026-01-31") from None
        if connection.vendor == "sqlite":
            connection.ensure_connection()
        with transaction.atomic():
            old = AuditEntry.objects.filter(at__lt=day)
            last = old.order_by("-id").values_list("id", flat=True).first()
            if last is None:
                self.stdout.write("There is nothing as old as that.")
                return
            old = old.filter(id__lte=last)
            count = self._write(old, into)
            triggers.uninstall(connection)
            old._raw_delete(old.db)  # type: ignore[attr-defined]
            triggers.install(connection)
            entry_record(action="audit.trim", object_name=str(into), after={"before": before, "entries": count})
        self.stdout.write(f"{count} entries are in {into} and no longer in the database.")

    def _write(self, old: Any, into: Path) -> int:
        try:
            fd = os.open(into, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            raise CommandError(f"{into} is there already: name a new file") from None
        except OSError as error:
            raise CommandError(f"{into} can't be written: {error.strerror}") from error
        count = 0
        with os.fdopen(fd, "wb") as file:
            for part in lines(old, NDJSON):
                file.write(part)
                count += part.count(b"\n")
            file.flush()
            os.fsync(file.fileno())
        return count
