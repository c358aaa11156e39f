"""The site's SQLite writes queries as Django's does, and none of them twice."""

from __future__ import annotations

import pytest
from django.db import connection
from django.db.backends.sqlite3 import base as djangos

from webui.sqlite import base

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.skipif("connection.vendor != 'sqlite'", reason="of SQLite alone"),
]

QUERIES = [
    "SELECT %s",
    "SELECT '100%%', %s, %s",
    "SELECT '%%s', '?', %s",
    "SELECT 1",
    "SELECT " + ", ".join(["%s"] * 3000),
]


@pytest.mark.parametrize("query", QUERIES, ids=range(len(QUERIES)))
def test_a_query_is_written_as_django_writes_it(query: str) -> None:
    with connection.cursor() as cursor:
        ours = cursor.cursor
        assert isinstance(ours, base.Cursor)
        theirs = djangos.SQLiteCursorWrapper(connection.connection)
        for _ in range(2):
            assert ours.convert_query(query) == theirs.convert_query(query)
        names = {"a": 1}
        assert ours.convert_query("SELECT %(a)s", param_names=list(names)) == "SELECT :a"


def test_a_query_is_written_once() -> None:
    base._with_question_marks.cache_clear()
    for number in range(5):
        with connection.cursor() as cursor:
            cursor.execute("SELECT %s + 1", [number])
            assert cursor.fetchone() == (number + 1,)
            cursor.execute("SELECT %(number)s + 2", {"number": number})
            assert cursor.fetchone() == (number + 2,)
    found = base._with_question_marks.cache_info()
    assert (found.hits, found.currsize) == (4, 1)


def test_a_very_long_query_is_not_kept() -> None:
    base._with_question_marks.cache_clear()
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT %s /* {'x' * base.LENGTH} */", [1])
    assert base._with_question_marks.cache_info().currsize == 0
