"""What the API says when a request is odd or something behind it is away."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError

from tests.webui.cast import CONTAINER_ID, Caller
from webui.api.views import hosts

pytestmark = pytest.mark.django_db


def test_json_without_end_is_the_callers_mistake(owner: Caller) -> None:
    answer = owner.client.post(
        "/api/v1/containers/", "[" * 100_000, content_type="application/json", headers=owner.headers
    )
    assert answer.status_code == 400
    assert answer.json()["detail"] == "The JSON is nested too deeply."


def test_a_database_that_is_away_is_told_as_such(owner: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(hosts, "visible", away)
    answer = owner.get("hosts/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert answer.json()["family"] == "unavailable" and "database" in answer.json()["detail"]


def test_what_is_not_there_is_told_in_a_sentence(owner: Caller) -> None:
    assert "lists show what there is" in owner.get(f"containers/{CONTAINER_ID}/").json()["detail"]


def test_a_forgotten_last_slash_is_pointed_out(owner: Caller) -> None:
    assert "end with a slash" in owner.get("containers").json()["detail"]


def test_a_number_that_no_database_holds_is_named(owner: Caller) -> None:
    answer = owner.post("images/lookup/", {"images": [1 << 63]})
    assert answer.status_code == 400
    assert answer.json()["errors"]["images.0"] == [f"Give a whole number from 1 to {1 << 53}."]


def test_null_is_no_body_and_one_request_leaves_nothing_to_the_next(owner: Caller) -> None:
    answer = owner.post("/api/v1/containers/", data="null", content_type="application/json")
    assert answer.status_code == 400, answer.content
    wrong = owner.post("/api/v1/containers/", data='{"image": 5, "cpus": "x"}', content_type="application/json").json()
    assert sorted(wrong["errors"]) == ["cpus", "image"], wrong
    again = owner.post("/api/v1/containers/", data='{"name": "a"}', content_type="application/json").json()
    assert sorted(again["errors"]) == ["image"], again


def test_a_path_with_a_line_end_is_answered_as_any_other(owner: Caller) -> None:
    answer = owner.get("roles/a%0Ab/")
    assert (answer.status_code, answer["content-type"]) == (404, "application/problem+json")
