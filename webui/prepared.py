"""Queries of the busiest paths, compiled to SQL once and asked with other values each time.

Django writes a query's SQL anew each time it is asked, which for a row of thirty columns takes ten times as long as
SQLite needs to answer. What is prepared here is an ordinary queryset, so that what it means is read as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from functools import cache, partial
from typing import Any, Generic, TypeVar, cast

from django.db import connections, models
from django.db.models.expressions import Expression
from django.db.models.query import get_related_populators
from django.db.transaction import TransactionManagementError

M = TypeVar("M", bound=models.Model)

FEW = 8
"""So many questions at most take less than to write one query for all."""

Converters = list[tuple[int, Sequence[Callable[..., Any]], Any]]


class Prepared(Generic[M]):
    """`queryset` filtered by `given`, whose values come later: field look-ups, as `filter` has them, of one value each,
    which is never None.

    `select_related`, `select_for_update`, an order and a limit hold as they do in the queryset; prefetches and
    look-ups of several values (`in`) aren't for this. Threads may share it.
    """

    def __init__(self, queryset: models.QuerySet[M, Any], *given: str, limit: int | None = None) -> None:
        self._queryset = queryset
        self._given = given
        self._limit = limit
        self._compiled: dict[tuple[str, str], _Compiled] = {}

    def all(self, *values: Any) -> list[M]:
        """The rows as model objects; `values` in the order of `given`, each what `filter` would take."""
        return list(cast("Iterator[M]", self._compile().objects(values)))

    def first(self, *values: Any) -> M | None:
        """The first of them, or None."""
        return next(cast("Iterator[M]", self._compile().objects(values)), None)

    def any_of(self, last: Collection[Any], *before: Any) -> list[M]:
        """The rows for which the last of `given` is one of `last`. Of few, that is one question for each."""
        if len(last) <= FEW:
            return [row for value in last for row in self.all(*before, value)]
        wanted = dict(zip(self._given, before, strict=False))
        return list(self._queryset.filter(**wanted, **{f"{self._given[-1]}__in": list(last)}))

    def rows(self, *values: Any) -> list[tuple[Any, ...]]:
        """Tuples, of a queryset with `values_list`."""
        return list(self._compile().rows(values))

    def _compile(self) -> _Compiled:
        connection = connections[self._queryset.db]
        key = (connection.alias, connection.vendor)
        found = self._compiled.get(key)
        if found is None:
            queryset = self._queryset.filter(**given_of(self._queryset, self._given))
            if self._limit is not None:
                queryset = queryset[: self._limit]
            found = self._compiled[key] = _Compiled(queryset)
        return found


def acquainted(row: M, *others: models.Model | None) -> M:
    """`row`, with what its foreign keys refer to taken from what is read already: those that are among `others` or that
    `others` know. Of the rest each is read when it is asked for.
    """
    known = [other for other in others if other is not None]
    known += [found for other in known for found in other._state.fields_cache.values() if found is not None]
    cache = row._state.fields_cache
    for name, attname, model in _foreign_keys(type(row)):
        if name not in cache:
            key = getattr(row, attname)
            for found in known:
                if type(found) is model and found.pk == key:
                    cache[name] = found
                    break
    return row


@cache
def _foreign_keys(model: type[models.Model]) -> list[tuple[str, str, type[models.Model]]]:
    fields = [field for field in model._meta.concrete_fields if isinstance(field, models.ForeignKey)]
    return [(field.cache_name, field.attname, field.related_model) for field in fields]


class Given(Expression):
    """Stands in the compiled query for the value at `index`."""

    def __init__(self, index: int, field: Any) -> None:
        super().__init__(output_field=field)
        self.index = index

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Any]]:
        return "%s", [self]

    def bound(self, values: Sequence[Any], connection: Any) -> Any:
        """Of these values its own, as the database takes it."""
        return self.output_field.get_db_prep_value(values[self.index], connection)


def given_of(queryset: models.QuerySet[Any, Any], names: Sequence[str]) -> dict[str, Given]:
    """What `filter` takes to find by look-ups whose values come later, in the order of `names`."""
    return {name: Given(index, _field_of(queryset, name)) for index, name in enumerate(names)}


def bound(parameters: Sequence[Any], values: Sequence[Any], connection: Any) -> list[Any]:
    """A compiled query's parameters with `values` in the places of what is given."""
    return [one.bound(values, connection) if isinstance(one, Given) else one for one in parameters]


class _Compiled:
    """SQL, and how its rows become what the queryset says: `QuerySet`'s own iterables, with all but the data known."""

    def __init__(self, queryset: models.QuerySet[Any, Any]) -> None:
        self._alias = queryset.db
        self._locks = queryset.query.select_for_update
        compiler = queryset.query.get_compiler(using=self._alias)
        self._sql, self._parameters = compiler.as_sql()
        converters = compiler.get_converters([column[0] for column in compiler.select])
        self._converters: Converters = [(place, *found) for place, found in converters.items()]
        if compiler.klass_info is not None:
            first, last = compiler.klass_info["select_fields"][0], compiler.klass_info["select_fields"][-1] + 1
            names = [column[0].target.attname for column in compiler.select[first:last]]
            self._make = partial(compiler.klass_info["model"].from_db, self._alias, names)
            self._own = slice(first, last)
            self._related = get_related_populators(compiler.klass_info, compiler.select, self._alias)

    def rows(self, values: Sequence[Any]) -> Iterable[tuple[Any, ...]]:
        connection = connections[self._alias]
        if self._locks and not connection.in_atomic_block:
            raise TransactionManagementError("select_for_update cannot be used outside of a transaction.")
        if None in values:
            raise ValueError("None equals nothing in SQL: ask a queryset, which looks for NULL then")
        with connection.cursor() as cursor:
            cursor.execute(self._sql, bound(self._parameters, values, connection))
            found = cursor.fetchall()
        return (self._converted(row, connection) for row in found) if self._converters else found

    def objects(self, values: Sequence[Any]) -> Iterator[models.Model]:
        for row in self.rows(values):
            made = self._make(row[self._own])
            for populator in self._related:
                populator.populate(row, made)
            yield made

    def _converted(self, row: tuple[Any, ...], connection: Any) -> tuple[Any, ...]:
        values = list(row)
        for place, converters, expression in self._converters:
            for convert in converters:
                values[place] = convert(values[place], expression, connection)
        return tuple(values)


def _field_of(queryset: models.QuerySet[Any, Any], lookup: str) -> Any:
    """What a look-up compares with: `container__host_id__gt` with the host's key."""
    _, field, targets, _ = queryset.query.names_to_path(lookup.split("__"), queryset.model._meta)
    return targets[0] if targets else field
