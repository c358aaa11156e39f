"""A body says of what is given, and of what is not, the same as DRF would, which looks at every field each time."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.serializers import Serializer, ValidationError

from webui.api import bodies


def _all(kind: type[Any]) -> list[type[Any]]:
    return [kind, *(found for below in kind.__subclasses__() for found in _all(below))]


def outcome(check: Any, data: Any) -> Any:
    try:
        return dict(check(data))
    except ValidationError as error:
        return error.detail


class Sample(bodies.Body):
    needed = bodies.Text()
    nested = type("Nested", (bodies.Body,), {"port": bodies.Whole((1, 9)), "kind": bodies.Text(default="tcp")})(
        many=True, required=False
    )
    usual = bodies.Text(default="usual")
    made = bodies.serializers.ListField(default=list)
    may_be_null = bodies.Flag(required=False, allow_null=True)
    left_out = bodies.Number(required=False)


DATA: list[Any] = [
    {},
    {"needed": "x"},
    {"needed": None, "left_out": None},
    {"left_out": "no number", "may_be_null": None},
    {"needed": "x", "nested": [{"port": 1}, {"port": "2", "kind": "udp"}, {}], "usual": 3},
    {"needed": "x", "nested": [{"port": 1}], "made": ["a"], "may_be_null": True, "left_out": 0.5},
    [],
    "text",
    None,
]


@pytest.mark.parametrize("data", DATA, ids=str)
def test_what_is_given_is_checked_as_ever(data: Any) -> None:
    read = Sample()
    ours = outcome(read.run_validation, data)
    assert ours == outcome(lambda given: Serializer.to_internal_value(read, given), data) or not isinstance(data, dict)
    assert ours == outcome(Sample().run_validation, data), "one object for all requests remembers none"


def test_what_has_to_be_there_is_missed_in_every_body(django_db_setup: None) -> None:
    from webui.api import urls  # all views, and so all bodies

    assert urls.urlpatterns
    kinds = [kind for kind in _all(bodies.Body) if kind.__module__.startswith("webui.")]
    assert len(kinds) > 50
    for kind in kinds:
        read = kind()
        assert outcome(read.to_internal_value, {}) == outcome(lambda data: Serializer.to_internal_value(read, data), {})  # noqa: B023


def test_what_scripts_ask_for_most_is_looked_for_first() -> None:
    from webui.api.urls import urlpatterns

    names = [pattern.name for pattern in urlpatterns]
    often = {"containers", "container", "jobs", "job", *(f"container-{verb}" for verb in ("start", "stop", "exec"))}
    assert max(names.index(name) for name in often) < 50 < len(names) / 3
