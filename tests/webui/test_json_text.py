"""Answers' JSON: the standard library reads what was written as the value that it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from django.utils.functional import lazystr
from hypothesis import given
from hypothesis import strategies as st

from webui import json_text
from webui.api.rendering import SparseJson

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(ANYTHING)
def test_what_is_written_is_read_as_it_was(value: Any) -> None:
    assert json.loads(json_text.written(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, 2.5, None, True], "é": "ü\u2028"}, '{"a":[1,2.5,null,true],"é":"ü\u2028"}'),
        ([1 << 70, -(1 << 70)], f"[{1 << 70},{-(1 << 70)}]"),
        ({1: "one"}, '{"1":"one"}'),
        ((1, 2), "[1,2]"),
    ],
)
def test_what_is_written(value: Any, text: str) -> None:
    assert json_text.written(value).decode() == text


def test_half_of_a_surrogate_pair_is_written_as_before() -> None:
    assert json_text.written(["\ud800"]) == '["\ud800"]'.encode("utf-8", "surrogatepass")


def test_what_is_no_json_is_an_error() -> None:
    with pytest.raises(TypeError):
        json_text.written({"a": object()})
    with pytest.raises(TypeError):
        json_text.written(datetime(2026, 1, 2, tzinfo=UTC))


def test_rests_own_values_are_as_the_framework_writes_them() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
    value = {"at": at, "id": UUID(int=7), "said": lazystr("later"), "bytes": b"raw", "large": 1 << 70}
    expected = {"at": "2026-01-02T03:04:05.678901Z", "id": str(UUID(int=7)), "said": "later", "bytes": "raw"}
    assert json.loads(SparseJson().render(value)) == {**expected, "large": 1 << 70}
    assert SparseJson().render({"a": 1}, "application/json; indent=2") == b'{\n  "a": 1\n}'
    assert SparseJson().render(None) == b""
