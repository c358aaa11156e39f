"""Writes of the busiest paths, compiled to SQL once (`webui.prepared` has the queries).

Each means what one of Django's own does: `PreparedInsert` a new row's `save()`, `PreparedSave` one with
`update_fields`, `PreparedUpdate` and `PreparedDelete` a queryset's `update()` and a deletion that takes nothing along.
Where somebody listens to a model's saves they are Django's own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Generic, TypeVar

from django.db import DatabaseError, connections, models, router
from django.db.models import signals, sql
from django.db.models.constants import OnConflict
from django.db.models.deletion import CASCADE, DO_NOTHING, get_candidate_relations_to_delete
from django.db.transaction import mark_for_rollback_on_error

from webui.prepared import Given, Prepared, bound, given_of

M = TypeVar("M", bound=models.Model)

_COMPILED_MAXIMUM = 256
"""Of sets of fields that are saved together; few come about."""


class PreparedInsert(Generic[M]):
    """New rows of one model. With `ignore_conflicts` those that are there already stay as they are; with `unique`
    fields, one that has the same in them gets the new values of the `replaced` ones.
    """

    def __init__(
        self,
        model: type[M],
        *,
        ignore_conflicts: bool = False,
        unique: Sequence[str] = (),
        replaced: Sequence[str] = (),
    ) -> None:
        self._model = model
        self._conflict = {
            "ignore_conflicts": ignore_conflicts,
            "update_conflicts": bool(unique),
            "update_fields": list(replaced) or None,
            "unique_fields": list(unique) or None,
        }
        self._is_plain = not ignore_conflicts and not unique
        self._compiled: dict[tuple[str, str, int], str | None] = {}
        meta = model._meta
        self._fields = [field for field in meta.local_concrete_fields if field is not meta.auto_field]
        self._returned = tuple(meta.db_returning_fields) if self._is_plain else ()
        if meta.parents or any(field.generated or hasattr(field, "get_placeholder") for field in self._fields):
            raise TypeError(f"rows of {meta.label} can't be prepared: its fields decide on the SQL")

    def create(self, **values: Any) -> M:
        """A new row with these values, as `objects.create` makes it."""
        row = self._model(**values)
        alias = router.db_for_write(self._model, instance=row)
        meta = self._model._meta
        is_numbered = meta.auto_field is not None and row.pk is not None
        if is_numbered or _is_heard_of(self._model):
            row.save(force_insert=True, using=alias)
            return row
        found = self._write([row], alias)
        for value, field in zip(found or (), self._returned, strict=False):
            setattr(row, field.attname, value)
        row._state.db, row._state.adding = alias, False
        return row

    def all(self, rows: Sequence[M]) -> None:
        """Write these, as `bulk_create` does: no row learns its number."""
        if rows:
            self._write(rows, router.db_for_write(self._model))

    def _write(self, rows: Sequence[M], alias: str) -> Sequence[Any] | None:
        """Write rows; what the database says of the only one. Where it has to be asked, rows are one."""
        connection = connections[alias]
        statement = self._statement(rows, connection)
        if statement is None:
            self._model._base_manager.bulk_create(rows, **self._conflict)
            return None
        parameters = [
            field.get_db_prep_save(field.pre_save(row, True), connection) for row in rows for field in self._fields
        ]
        with mark_for_rollback_on_error(using=alias), connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchone() if self._returned and len(rows) == 1 else None

    def _statement(self, rows: Sequence[M], connection: Any) -> str | None:
        """The SQL for so many rows; None where it takes something else than all values in their order."""
        key = (connection.alias, connection.vendor, len(rows))
        if key not in self._compiled:
            query = self._query()
            query.insert_values(self._fields, list(rows))
            compiler = query.get_compiler(using=connection.alias)
            compiler.returning_fields = self._returned if len(rows) == 1 else None
            statements = compiler.as_sql()
            text, parameters = statements[0]
            is_plain = len(statements) == 1 and len(parameters) == len(rows) * len(self._fields)
            self._compiled[key] = text if is_plain else None
        return self._compiled[key]

    def _query(self) -> sql.InsertQuery:
        if self._is_plain:
            return sql.InsertQuery(self._model)
        unique, replaced = (
            [self._model._meta.get_field(name) for name in self._conflict[key] or ()]
            for key in ("unique_fields", "update_fields")
        )
        on_conflict = OnConflict.UPDATE if unique else OnConflict.IGNORE
        return sql.InsertQuery(self._model, on_conflict=on_conflict, update_fields=replaced, unique_fields=unique)


class PreparedUpdate(Generic[M]):
    """New values for `changed` fields of the rows of `queryset` that `given` finds."""

    def __init__(self, queryset: models.QuerySet[M, Any], *given: str, changed: Sequence[str]) -> None:
        self._queryset = queryset
        self._given = given
        self._changed = changed
        self._compiled: dict[tuple[str, str], tuple[str, Sequence[Any]]] = {}

    def __call__(self, *values: Any) -> int:
        """The values of `given`, then those of `changed`; how many rows there were."""
        if None in values[: len(self._given)]:
            raise ValueError("None equals nothing in SQL: ask a queryset, which looks for NULL then")
        return _executed(self._compile(), values, self._queryset.db)

    def _compile(self) -> tuple[str, Sequence[Any]]:
        connection = connections[self._queryset.db]
        key = (connection.alias, connection.vendor)
        if key not in self._compiled:
            found = self._queryset.filter(**given_of(self._queryset, self._given))
            query: Any = found.query.chain(sql.UpdateQuery)
            begin = len(self._given)
            fields = [self._queryset.model._meta.get_field(name) for name in self._changed]
            query.add_update_fields([(field, None, _New(begin + at, field)) for at, field in enumerate(fields)])
            self._compiled[key] = query.get_compiler(using=connection.alias).as_sql()
        return self._compiled[key]


class PreparedSave(Generic[M]):
    """`row.save(update_fields=…)`, compiled for each set of fields."""

    def __init__(self, model: type[M]) -> None:
        self._model = model
        self._updates: dict[frozenset[str], tuple[list[Any], PreparedUpdate[M]]] = {}

    def __call__(self, row: M, names: Collection[str]) -> None:
        """Raises DatabaseError when the row is not there any more."""
        if _is_heard_of(self._model) or not names:
            row.save(update_fields=names)
            return
        fields, update = self._update(frozenset(names))
        if not update(row.pk, *(field.pre_save(row, False) for field in fields)):
            raise DatabaseError("Save with update_fields did not affect any rows.")

    def _update(self, names: frozenset[str]) -> tuple[list[Any], PreparedUpdate[M]]:
        found = self._updates.get(names)
        if found is None:
            if len(self._updates) >= _COMPILED_MAXIMUM:
                self._updates.clear()
            fields = [self._model._meta.get_field(name) for name in sorted(names)]
            update = PreparedUpdate(self._model._base_manager.all(), "pk", changed=[field.name for field in fields])
            found = self._updates[names] = fields, update
        return found


class PreparedDelete(Generic[M]):
    """Deletes the rows of `queryset` that `given` finds. What refers to them is the caller's to see to."""

    def __init__(self, queryset: models.QuerySet[M, Any], *given: str) -> None:
        self._queryset = queryset
        self._given = given
        self._compiled: dict[tuple[str, str], tuple[str, Sequence[Any]]] = {}

    def __call__(self, *values: Any) -> int:
        """The values of `given`; how many rows there were."""
        if None in values:
            raise ValueError("None equals nothing in SQL: ask a queryset, which looks for NULL then")
        connection = connections[self._queryset.db]
        key = (connection.alias, connection.vendor)
        if key not in self._compiled:
            query = self._queryset.filter(**given_of(self._queryset, self._given)).query.chain(sql.DeleteQuery)
            self._compiled[key] = query.get_compiler(using=connection.alias).as_sql()
        return _executed(self._compiled[key], values, self._queryset.db)


class PreparedRemoval(Generic[M]):
    """`row.delete()`: with what refers to it, as far as that goes by itself. Where there is more to it (rows that
    somebody listens for, or that others refer to in turn) Django does it.
    """

    def __init__(self, model: type[M]) -> None:
        self._model = model
        self._own = PreparedDelete(model._base_manager.all(), "pk")
        self._referring: list[_Referring] | None = None

    def __call__(self, row: M) -> None:
        if self._referring is None:  # all models are known by now
            found = get_candidate_relations_to_delete(self._model._meta)
            self._referring = [_Referring(one) for one in found if one.on_delete is not DO_NOTHING]
        is_more = _is_missed(self._model) or self._model._meta.private_fields
        if is_more or any(one.needs_django(row.pk) for one in self._referring):
            row.delete()
            return
        for one in self._referring:
            if one.goes_along:
                one.delete(row.pk)
        self._own(row.pk)


class _Referring:
    """The rows of another model that refer to one by a foreign key."""

    def __init__(self, relation: Any) -> None:
        self._model = relation.related_model
        self._is_simple = (
            relation.on_delete is CASCADE
            and not any(get_candidate_relations_to_delete(self._model._meta))
            and not self._model._meta.parents
            and not self._model._meta.private_fields
        )
        rows = self._model._base_manager.order_by()
        self.delete = PreparedDelete(rows, relation.field.attname)
        self._some = Prepared(rows.values_list("pk"), relation.field.attname, limit=1)

    @property
    def goes_along(self) -> bool:
        return self._is_simple and not _is_missed(self._model)

    def needs_django(self, key: Any) -> bool:
        return not self.goes_along and bool(self._some.rows(key))


class _New(Given):
    """Stands for a value that is written: of a JSON field, None is NULL."""

    def bound(self, values: Sequence[Any], connection: Any) -> Any:
        return self.output_field.get_db_prep_save(values[self.index], connection)


def _executed(compiled: tuple[str, Sequence[Any]], values: Sequence[Any], alias: str) -> int:
    statement, parameters = compiled
    connection = connections[alias]
    with mark_for_rollback_on_error(using=alias), connection.cursor() as cursor:
        cursor.execute(statement, bound(parameters, values, connection))
        return int(cursor.rowcount)


def _is_missed(model: type[models.Model]) -> bool:
    """Whether somebody listens to what is deleted of `model`."""
    return signals.pre_delete.has_listeners(model) or signals.post_delete.has_listeners(model)


def _is_heard_of(model: type[models.Model]) -> bool:
    """Whether somebody listens to what is saved of `model`, and would not hear of what is written here."""
    return signals.pre_save.has_listeners(model) or signals.post_save.has_listeners(model)
