"""What the API says when a request is odd or something behind it is away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import OperationalError

from tests.webui.cast import CONTAINER_ID, Caller
from webui.api import bodies
from webui.api.views import hosts
from webui.containers.models import Container

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


@pytest.mark.parametrize(
    ("path", "body", "field", "said"),
    [
        ("batch/", {"requests": 5}, "requests", "Give a list."),
        ("batch/", {"requests": [5]}, "requests.0", "Give a JSON object."),
        ("batch/", {"requests": [{"path": "/", "method": "get"}]}, "requests.0.method",
         "Choose one of GET, POST, PUT, PATCH, DELETE."),
        ("batch/", {"requests": [{"path": None}]}, "requests.0.method", "This is missing: give a value."),
        ("batch/", {"requests": [{"path": None}]}, "requests.0.path", "This can't be null: give a value."),
        ("batch/", {"requests": [{"path": ""}]}, "requests.0.path", "This can't be empty: give some text."),
        ("batch/", {"requests": [{"path": "x" * 2001}]}, "requests.0.path",
         "Give a shorter text: it may have 2000 characters at most."),
        ("batch/", {"requests": [{"path": "a\0"}]}, "requests.0.path", "Leave out the character NUL."),
        ("batch/", {"requests": [{}] * 101}, "requests", "Give a shorter list: it may hold 100 at most."),
        ("batch/", [], "", "Give a JSON object."),
        (f"containers/{CONTAINER_ID}/exec/", {"command": []}, "command",
         "Give a longer list: it has to hold 1 or more."),
    ],
)  # fmt: skip
def test_a_field_is_refused_in_our_words(
    owner: Caller, container: Container, path: str, body: Any, field: str, said: str
) -> None:
    answer = owner.post(path, body)
    assert answer.status_code == 400
    assert answer.json()["errors"][field] == [said]


def test_no_sentence_of_the_framework_is_left() -> None:
    """Of the fields that request bodies have; a new kind of field has to be worded, too."""
    from webui.api import urls

    assert urls.urlpatterns
    for kind in every_body():
        for field in fields_of(kind()):
            for key, message in field.error_messages.items():
                assert message.startswith(("Give ", "This ", "Choose ", "{input!r} ")), (
                    kind,
                    type(field),
                    key,
                    message,
                )


def every_body() -> list[type[bodies.Body]]:
    found, left = [], [bodies.Body]
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        found += [kind] if kind.__module__.startswith("webui.") else []
    return found


def fields_of(field: Any) -> Iterator[Any]:
    yield field
    for below in [*getattr(field, "fields", {}).values(), *filter(None, [getattr(field, "child", None)])]:
        yield from fields_of(below)


def test_a_key_that_is_given_twice_is_named(owner: Caller) -> None:
    for body, name in (('{"image": "a", "image": "b"}', "image"), ('{"image": "a", "env": {"A": "1", "A": "2"}}', "A")):
        answer = owner.call("post", "containers/", body)
        assert answer.status_code == 400
        assert answer.json()["errors"] == {name: ["This is given twice: leave one of them out."]}


def test_what_is_not_about_fields_is_refused_in_our_words(owner: Caller, nobody: Caller) -> None:
    said = {
        "JSON": owner.call("post", "containers/", '{"image": }'),
        "not JSON compliant": owner.call("post", "containers/", '{"cpus": NaN}'),
        "it takes GET, POST, HEAD.": owner.call("put", "containers/", {}),
        "send application/json, and say so": owner.client.post(
            "/api/v1/containers/", "a", content_type="text/csv", headers=owner.headers
        ),
        "ask for application/json": owner.get("containers/", Accept="image/png"),
        "Authorization: Bearer TOKEN": nobody.get("containers/"),
    }
    assert [answer.status_code for answer in said.values()] == [400, 400, 405, 415, 406, 401]
    for words, answer in said.items():
        assert words in answer.json()["detail"], answer.json()


def test_a_path_with_a_line_end_is_answered_as_any_other(owner: Caller) -> None:
    answer = owner.get("roles/a%0Ab/")
    assert (answer.status_code, answer["content-type"]) == (404, "application/problem+json")
