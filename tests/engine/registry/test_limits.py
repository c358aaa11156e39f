"""Quotas and times to wait, in the spellings of registries."""

from __future__ import annotations

import datetime
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.registry.limits import RateLimit, in_words, rate_limit, retry_after

HUB = {"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "76;w=21600"}


@pytest.mark.parametrize(
    ("headers", "expected", "said"),
    [
        (HUB, RateLimit(100, 76, 21600), "100 in 6 hours, 76 left"),
        ({"RateLimit-Remaining": "3"}, RateLimit(None, 3, None), "3 left"),
        ({"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0"}, RateLimit(60, 0, None), "60, 0 left"),
        ({"RateLimit-Limit": "10;w=45"}, RateLimit(10, None, 45), "10 in 45 seconds"),
        ({"RateLimit-Limit": "many", "RateLimit-Remaining": "-1"}, None, ""),
        ({}, None, ""),
    ],
)  # fmt: skip
def test_quotas_are_read(headers: dict[str, str], expected: RateLimit | None, said: str) -> None:
    found = rate_limit(headers)
    assert found == expected
    assert found is None or str(found) == said


def test_times_to_wait_are_seconds_or_dates() -> None:
    assert retry_after({"Retry-After": " 30 "}) == 30
    assert retry_after({"Retry-After": "9" * 12}) == 7 * 24 * 3600
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    assert 3000 < (retry_after({"Retry-After": format_datetime(soon, usegmt=True)}) or 0) <= 3600
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({}) is None


@given(st.text(max_size=60))
def test_any_header_is_read_without_an_error(text: str) -> None:
    retry_after({"Retry-After": text})
    rate_limit({"RateLimit-Limit": text, "RateLimit-Remaining": text})


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.2, "a second"), (30, "30 seconds"), (600, "10 minutes"), (21600, "6 hours")]
)
def test_a_time_is_said_as_people_do(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
