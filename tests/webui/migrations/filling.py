"""Rows for every model as it is at some moment of its history: what is usual, what is at the limit, what is bare.

Three of each. The first of all models belong together and are what a team has that works with Portside every day
(`tests.webui.migrations.usual`); the second fill every column to its brim with what is hard to carry over; of the third
all is missing that may be missing. A column that comes later keeps, in the first and third, what its migration gives.
"""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Mapping
from typing import Any

from django.apps.registry import Apps
from django.db import models
from django.db.models.fields import NOT_PROVIDED

from tests.webui.migrations.usual import USUAL

USUALLY, FULL, BARE = range(3)
HARD = "\u202e\U0001d52d\u00f6\u0301rt 🚢 'x' \"y\" \\ %s {{ z }} <script>alert(1)</script> -- ;\r\n\t\x7f\u2028"

Row = dict[str, Any]
"""What lies in a row: values by the columns' names in Python."""


class Filling:
    """Fills a database while it is migrated; `rows` says what must be there at the end: by model, by key, by column."""

    def __init__(self, alias: str, own: frozenset[str]) -> None:
        """`own`: the labels of the apps whose models are filled; others only where a row of theirs is needed."""
        self.alias, self.own = alias, own
        self.rows: dict[str, dict[Any, Row]] = {}
        self._keys: dict[str, list[Any]] = {}

    def look(self, apps: Apps) -> None:
        """Fill the tables that are new, and the columns that are new in the second row of each."""
        for model in apps.get_models(include_auto_created=True):
            label = model._meta.label
            if label in self._keys:
                self._widen(model)
            elif model._meta.app_label in self.own:
                self._fill(apps, model)

    def _fill(self, apps: Apps, model: type[models.Model]) -> None:
        label = model._meta.label
        if label in self._keys:
            return
        self._keys[label] = []
        for field in model._meta.concrete_fields:
            if field.is_relation and field.related_model is not model:
                self._fill(apps, field.related_model)
        for kind in (USUALLY, FULL, BARE):
            values = {
                field.attname: self._value(field, kind)
                for field in model._meta.concrete_fields
                if not isinstance(field, models.AutoField)
            }
            values |= PLACES.get((label, kind), {})
            for name in [name for name in values if name.endswith(AT_PARENT)]:
                parent = values.pop(name)
                values[name.removesuffix(AT_PARENT)] = self._keys[parent][kind]
            made = model._base_manager.using(self.alias).create(**values)
            self._keys[label].append(made.pk)
        self._remember(model)

    def _widen(self, model: type[models.Model]) -> None:
        label = model._meta.label
        known = self.rows[label][self._keys[label][FULL]]
        new = [field for field in model._meta.concrete_fields if field.attname not in known]
        if new:
            row = model._base_manager.using(self.alias).filter(pk=self._keys[label][FULL])
            row.update(**{field.attname: self._value(field, FULL) for field in new})
            self._remember(model)

    def _remember(self, model: type[models.Model]) -> None:
        """What is known stays known: what a migration has made of it must not be believed."""
        before = self.rows.get(model._meta.label, {})
        found = read(model, self.alias)
        self.rows[model._meta.label] = {key: row | before.get(key, {}) for key, row in found.items()}

    def _value(self, field: models.Field[Any, Any], kind: int) -> Any:
        usual = USUAL.get(field.model._meta.label, {}).get(field.name, NOT_PROVIDED)
        if kind == USUALLY and usual is not NOT_PROVIDED:
            return usual
        if field.is_relation:
            parents = self._keys.get(field.related_model._meta.label, [])
            if (kind == BARE and field.null) or (field.related_model is field.model and not parents):
                return None
            return parents[0 if field.related_model is field.model else kind]
        if kind == BARE and field.null:
            return None
        if kind == BARE and field.has_default() and not field.unique:
            return field.get_default()
        if field.choices:
            return field.choices[-1 if kind == FULL else 0][0]
        return _plain(field, kind)


def read(model: type[models.Model], alias: str) -> dict[Any, Row]:
    """All rows of a model as the database has them."""
    names = [field.attname for field in model._meta.concrete_fields]
    found = model._base_manager.using(alias).values(*names)
    return {row[model._meta.pk.attname]: {name: _comparable(value) for name, value in row.items()} for row in found}


def _comparable(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def _plain(field: models.Field[Any, Any], kind: int) -> Any:
    """A value for a column without choices."""
    text = f"{field.name}-{kind}"
    match field:
        case models.UUIDField():
            return uuid.uuid5(uuid.NAMESPACE_DNS, f"{field.model._meta.label}.{text}")
        case models.GenericIPAddressField():
            return ("10.88.0.2", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", "127.0.0.1")[kind]
        case models.BooleanField():
            return bool(field.get_default()) is not (kind == FULL)
        case models.DateTimeField():
            return _MOMENTS[kind]
        case models.JSONField():
            return _json(field, kind)
        case models.BinaryField():
            return (b"\xa0", bytes(range(256)), b"")[kind]
        case models.FloatField():
            return (0.1 + 0.2, 1.7976931348623157e308, 0.0)[kind]
        case models.PositiveIntegerField():
            return (3, 2**31 - 1, 0)[kind]
        case models.BigIntegerField():
            return (4 << 30, 2**63 - 1, 0)[kind]
        case models.IntegerField():
            return (137, -(2**31), 0)[kind]
        case models.CharField() | models.TextField():
            return _text(field, kind, text)
    raise TypeError(f"{field.model._meta.label}.{field.name}: say here what goes into a {type(field).__name__}")


def _text(field: models.Field[Any, Any], kind: int, text: str) -> str:
    length = field.max_length or 100_000
    if kind == FULL:
        return (text[:4] + HARD * (length // len(HARD) + 1))[:length]
    if kind == BARE and not field.unique:
        return ""
    return text[:length]


def _json(field: models.Field[Any, Any], kind: int) -> Any:
    kept = field.get_default()
    if kind == FULL:
        hard = [HARD, {HARD: None, "": [], "n": 2**63, "f": 1e-300, "deep": [[[{"a": [True, False]}]]]}]
        return hard if isinstance(kept, list) else {"of": hard}
    if kind == BARE:
        return [] if isinstance(kept, list) else {}
    return ["one", "two"] if isinstance(kept, list) else {"one": "two"}


_MOMENTS = (
    datetime.datetime(2026, 11, 25, 22, 5, 7, 123456, tzinfo=datetime.UTC),
    datetime.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=datetime.UTC),
    datetime.datetime(1, 1, 1, tzinfo=datetime.UTC),
)
AT_PARENT = " of"
_NOWHERE = {"host_id": None, "group_id": None, "repository": ""}
PLACES: Mapping[tuple[str, int], Row] = {
    ("accounts.Grant", USUALLY): {**_NOWHERE, f"host_id{AT_PARENT}": "hosts.Host"},
    ("accounts.Grant", FULL): {**_NOWHERE, f"group_id{AT_PARENT}": "accounts.HostGroup"},
    ("accounts.Grant", BARE): {**_NOWHERE, "repository": "docker.io/library/alpine"},
}
"""What a constraint of the database wants otherwise; a column with ` of` has the key of the row of that model."""
