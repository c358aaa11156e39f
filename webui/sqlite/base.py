"""The database engine `webui.sqlite`: Django's own, with one thing less to do for each query.

Queries have `%s` where SQLite wants `?`, which Django puts in by a regular expression each time a query is asked: for a
long one that takes as long as SQLite's answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django.db.backends.sqlite3 import base

QUERIES = 1000
LENGTH = 8000
"""Characters of a query that is remembered; longer ones have values of their own for each time."""


class Cursor(base.SQLiteCursorWrapper):
    def convert_query(self, query: str, *, param_names: Sequence[str] | None = None) -> str:
        if param_names is None and len(query) <= LENGTH:
            return _with_question_marks(query)
        return str(super().convert_query(query, param_names=param_names))


class DatabaseWrapper(base.DatabaseWrapper):
    def create_cursor(self, name: str | None = None) -> Any:
        return self.connection.cursor(factory=Cursor)


@lru_cache(maxsize=QUERIES)
def _with_question_marks(query: str) -> str:
    return str(base.FORMAT_QMARK_REGEX.sub("?", query).replace("%%", "%"))
