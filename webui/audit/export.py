"""The log as a file: CSV for people, NDJSON for programs; row by row, however long it is."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

from webui.audit.models import AuditQuerySet
from webui.audit.representation import COLUMNS, entry_as_json

CSV, NDJSON = "csv", "ndjson"
CONTENT_TYPES = {CSV: "text/csv; charset=utf-8", NDJSON: "application/x-ndjson"}
ROWS_AT_A_TIME = 500
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def lines(rows: AuditQuerySet, kind: str) -> Iterator[bytes]:
    """The oldest first, in parts of many rows. `kind`: `CSV` or `NDJSON`."""
    text = io.StringIO()
    writer = csv.writer(text)
    if kind == CSV:
        writer.writerow(COLUMNS)
    for number, entry in enumerate(rows.order_by("id").iterator(ROWS_AT_A_TIME), 1):
        if kind == CSV:
            writer.writerow([cell(value) for value in entry_as_json(entry).values()])
        else:
            text.write(json.dumps(entry_as_json(entry), ensure_ascii=False) + "\n")
        if number % ROWS_AT_A_TIME == 0:
            yield _taken(text)
    yield _taken(text)


def cell(value: Any) -> str:
    """A CSV cell that no spreadsheet takes for a formula, whatever somebody named his container."""
    if value is None:
        return ""
    found = value["name"] if isinstance(value, dict) and "name" in value and "id" in value else value
    shown = json.dumps(found, ensure_ascii=False) if isinstance(found, dict | list) else str(found)
    return f"'{shown}" if shown.startswith(_FORMULA) else shown


def _taken(text: io.StringIO) -> bytes:
    taken = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return taken
