"""Databases of both kinds that nobody else uses, known to Django under aliases of their own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

Fresh = Callable[[str], BaseDatabaseWrapper]
"""An empty database under this alias, and the way into it."""
Schema = set[tuple[Any, ...]]


def on_sqlite(directory: Path) -> Fresh:
    """Files in `directory`, opened as the product opens its own."""

    def fresh(alias: str) -> BaseDatabaseWrapper:
        return _known(alias, {"ENGINE": "django.db.backends.sqlite3", "NAME": str(directory / f"{alias}.db")})

    return fresh


def on_postgresql(server: dict[str, Any]) -> Fresh:
    """Databases of a server, whose settings are those of `tests.support.postgresql`."""

    def fresh(alias: str) -> BaseDatabaseWrapper:
        with psycopg.connect(
            host=server["HOST"],
            port=server["PORT"] or None,
            user=server["USER"],
            dbname=server["NAME"],
            autocommit=True,
        ) as administrator:
            administrator.execute(f'CREATE DATABASE "{alias}"')
        return _known(alias, {**server, "NAME": alias})

    return fresh


def _known(alias: str, settings: dict[str, Any]) -> BaseDatabaseWrapper:
    defaults = {"ATOMIC_REQUESTS": False, "AUTOCOMMIT": True, "CONN_MAX_AGE": 0, "CONN_HEALTH_CHECKS": False}
    more = {"OPTIONS": {}, "TIME_ZONE": None, "PASSWORD": "", "USER": "", "HOST": "", "PORT": ""}
    connections.databases[alias] = {**defaults, **more, **settings}
    return connections[alias]


def forget(alias: str) -> None:
    connections[alias].close()
    del connections[alias]
    del connections.databases[alias]


def schema(connection: BaseDatabaseWrapper) -> Schema:
    """All that the database itself says of its tables, columns, indexes, constraints and triggers."""
    statements = _POSTGRESQL if connection.vendor == "postgresql" else _SQLITE
    found: Schema = set()
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
            found.update(cursor.fetchall())
    return found


_SQLITE = ("SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name != 'sqlite_sequence'",)
_POSTGRESQL = (
    """SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default, is_identity
    FROM information_schema.columns WHERE table_schema = 'public'""",
    "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    """SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
)
