"""Migrations on a database that is in use: nothing that was written down before is lost or means something else after.

The first migrations of all apps make the tables as they were on the site's first day, `Filling` fills them, and every
later migration meets them full, on SQLite and on PostgreSQL.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations import Migration
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.state import ProjectState
from django.db.utils import DatabaseError
from django.test import Client

from tests.support import postgresql
from tests.webui.cast import CONTAINER_ID, IMAGE_ID, NETWORK_ID, PASSWORD, Caller
from tests.webui.migrations import databases
from tests.webui.migrations.filling import Filling, Row, read
from tests.webui.migrations.usual import REGISTRY_PASSWORD, SPEC, TOKEN
from webui.accounts.models import ApiToken, Membership, Team, User
from webui.audit import triggers
from webui.audit.models import AuditEntry
from webui.containers.models import Container
from webui.images.models import RegistryCredential
from webui.images.passwords import password_decrypt

FILLED, EMPTY = "filled", "empty"
OUR_APPS = frozenset(config.label for config in apps.get_app_configs() if config.name.startswith("webui."))
GONE: frozenset[str] = frozenset()
"""Columns, as app.Model.column, that a migration has taken away since: with what was in them."""


@dataclass(frozen=True)
class Migrated:
    """A filled database at its newest state, what was written into it on the way, and what it has at the end."""

    rows: dict[str, dict[Any, Row]]
    after: dict[str, dict[Any, Row]]
    schema: databases.Schema
    schema_from_nothing: databases.Schema
    connection: BaseDatabaseWrapper


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def migrated(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    django_db_setup: None,
    django_db_blocker: Any,
) -> Iterator[Migrated]:
    if request.param == "sqlite":
        fresh = databases.on_sqlite(tmp_path_factory.mktemp("migrated"))
    else:
        fresh = databases.on_postgresql(postgresql.settings_of())
    with django_db_blocker.unblock():
        try:
            filled = fresh(FILLED)
            rows = fill_and_migrate(filled)
            after = {label: read(apps.get_model(label), FILLED) for label in rows}
            yield Migrated(rows, after, databases.schema(filled), schema_from_nothing(filled.vendor, fresh), filled)
        finally:
            for alias in {FILLED, EMPTY} & {*connections.databases}:
                databases.forget(alias)


def fill_and_migrate(connection: BaseDatabaseWrapper) -> dict[str, dict[Any, Row]]:
    executor = MigrationExecutor(connection)
    executor.recorder.ensure_schema()
    filling, state = Filling(connection.alias, OUR_APPS), ProjectState()
    for migration in oldest_first(executor.loader):
        state = executor.apply_migration(state, migration)
        filling.look(state.apps)
    return filling.rows


def oldest_first(loader: MigrationLoader) -> Iterator[Migration]:
    """All migrations, each app's first before any app's second, as far as they don't need one another."""
    nodes, applied = loader.graph.node_map, set()
    while waiting := {key for key in nodes if key not in applied}:
        ready = (key for key in waiting if all(parent.key in applied for parent in nodes[key].parents))
        app, name = min(ready, key=lambda key: (key[1], key[0]))
        applied.add((app, name))
        yield loader.graph.nodes[app, name]


def schema_from_nothing(vendor: str, fresh: databases.Fresh) -> databases.Schema:
    """That of the tests' own database, which began empty too, if it is of this kind; else one is migrated for it."""
    own = connections[DEFAULT_DB_ALIAS]
    if own.vendor != vendor:
        empty = fresh(EMPTY)
        call_command("migrate", database=EMPTY, verbosity=0)
        return databases.schema(empty)
    with transaction.atomic():
        triggers.install(own)  # other tests are without them, since they empty the tables
        found = databases.schema(own)
        transaction.set_rollback(True)
    return found


@contextlib.contextmanager
def as_the_sites(connection: BaseDatabaseWrapper) -> Iterator[None]:
    """The site works with this database meanwhile."""
    own = connections[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS] = connection
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS] = own


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_every_model_was_full_before_it_was_migrated(migrated: Migrated) -> None:
    """A column of a new kind, or a table that a migration makes by itself, has to be filled by the test as well."""
    ours = [model for model in apps.get_models(include_auto_created=True) if model._meta.app_label in OUR_APPS]
    assert {model._meta.label for model in ours} <= {*migrated.rows}
    assert {label: len(rows) for label, rows in migrated.rows.items() if len(rows) < 3} == {}


def test_every_value_is_still_there(migrated: Migrated) -> None:
    lost: dict[str, Any] = {}
    gone: set[str] = set()
    for label, rows in migrated.rows.items():
        after = migrated.after[label]
        assert {*rows} == {*after}, label
        for key, row in rows.items():
            for column, value in row.items():
                if column not in after[key]:
                    gone.add(f"{label}.{column}")
                elif after[key][column] != value:
                    lost[f"{label}[{key}].{column}"] = (value, after[key][column])
    assert lost == {}
    assert gone == GONE


def test_a_filled_database_ends_with_the_schema_of_an_empty_one(migrated: Migrated) -> None:
    assert migrated.schema - migrated.schema_from_nothing == set()
    assert migrated.schema_from_nothing - migrated.schema == set()


def test_the_audit_log_is_still_append_only(migrated: Migrated) -> None:
    """An altered table of SQLite's is a new one, without the triggers of the old."""
    entries = AuditEntry.objects.using(FILLED)
    for change in (lambda: entries.update(actor_name="nobody"), entries.delete):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(using=FILLED):
            change()


def test_who_had_a_role_a_password_and_a_token_has_them_still(migrated: Migrated) -> None:
    with as_the_sites(migrated.connection):
        ann = User.objects.get(username="ann")
        assert ann.check_password(PASSWORD)
        assert (ann.must_change_password, ann.service_of, ann.is_superuser) == (False, None, False)
        assert Membership.objects.get(user=ann).role == "operator"
        token = ApiToken.objects.get(name="script")
        assert (token.user, token.scopes, token.team, token.expires_at) == (ann, None, None, None)


def test_a_team_from_before_keeps_what_was_so(migrated: Migrated) -> None:
    team = Team.objects.using(FILLED).get(name="Harbour")
    assert (team.keep_logs_days, team.keep_recordings_days, team.record_terminals) == (7, 90, "asked")
    assert (team.publish_addresses, team.publish_default) == ([], "127.0.0.1")
    assert team.require_second_factor is False


def test_a_registrys_password_can_still_be_used(migrated: Migrated) -> None:
    stored = RegistryCredential.objects.using(FILLED).get(registry="registry.example.com")
    assert password_decrypt(stored.encrypted_password) == REGISTRY_PASSWORD
    assert (stored.tls_verify, stored.plain_http, stored.mirrors, stored.ca_pem) == (True, False, [], "")


def test_a_token_from_before_shows_what_was_there_before(migrated: Migrated) -> None:
    """All of the team, nothing of others, by the site's own doors."""
    with as_the_sites(migrated.connection):
        ann = Caller(None, {"Authorization": f"Bearer {TOKEN}"}, Client(raise_request_exception=False))
        found = {kind: listed(ann, kind) for kind in ("teams", "hosts", "containers", "images", "volumes", "networks")}
        assert {kind: [row["name"] for row in rows] for kind, rows in found.items() if kind != "images"} == {
            "teams": ["Harbour"],
            "hosts": ["pier"],
            "containers": ["web"],
            "volumes": ["data"],
            "networks": ["front"],
        }
        assert [row["image_id"] for row in found["images"]] == [IMAGE_ID]
        assert [row["network_id"] for row in found["networks"]] == [NETWORK_ID]
        container = found["containers"][0]
        assert {name: container[name] for name in ("id", "status", "desired_status", "restart", "memory_bytes")} == {
            "id": CONTAINER_ID,
            "status": "running",
            "desired_status": "running",
            "restart": "always",
            "memory_bytes": SPEC["memory_bytes"],
        }
        assert (container["labels"], container["env"]) == ({"tier": "front"}, {"A": "1"})
        assert [port["host"] for port in container["ports"]] == [8080]
        assert [row["subject"] for row in listed(ann, "jobs")] == ["alpine"]
        assert [row["name"] for row in listed(ann, "builds")] == ["app:1"]
        assert ann.get(f"containers/{CONTAINER_ID}/").status_code == 200


def test_a_role_from_before_allows_what_it_allowed(migrated: Migrated) -> None:
    with as_the_sites(migrated.connection):
        ann = User.objects.get(username="ann")
        assert Container.objects.all().visible_to(ann, "containers.operate").count() == 1
        assert Container.objects.all().visible_to(ann, "containers.create").count() == 0


def listed(caller: Caller, kind: str) -> list[dict[str, Any]]:
    answer = caller.get(f"{kind}/")
    assert answer.status_code == 200, answer.content
    rows: list[dict[str, Any]] = answer.json()["results"]
    return rows
