"""Every operation of docs/openapi-v1.yml is a method of the client, and asks for just that."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
import yaml

from client import Portside
from tests.support import client_code

DOCUMENT = yaml.load(client_code.DOCUMENT.read_text(), yaml.CSafeLoader)
OPERATIONS = [
    (verb.upper(), path, operation)
    for path, verbs in DOCUMENT["paths"].items()
    for verb, operation in verbs.items()
    if "operationId" in operation
]


class Recorder:
    """In the place of a transport: notes what is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, Any]]] = []

    def send(self, method: str, path: str, **more: Any) -> Recorder:
        self.asked.append((method, path, more))
        return self

    def json(self) -> Any:
        return {"results": [], "next": None}


@pytest.mark.parametrize(
    ("verb", "path", "operation"), OPERATIONS, ids=[one["operationId"] for _, _, one in OPERATIONS]
)
def test_each_operation_is_a_method_under_its_own_name(verb: str, path: str, operation: dict[str, Any]) -> None:
    recorder, site = Recorder(), Portside("http://127.0.0.1:1")
    resource = getattr(site, client_code.resource_of(path))
    resource._transport = recorder
    method = getattr(resource, client_code.method_of(path, operation["operationId"]))
    parameters = inspect.signature(method).parameters.values()
    parts = [one for one in parameters if one.kind is one.POSITIONAL_OR_KEYWORD]
    named = {one.name: "x" for one in parameters if one.kind is one.KEYWORD_ONLY and one.name != "page"}
    body = {"field": 1} if any(one.kind is one.VAR_KEYWORD for one in parameters) else {}
    found = method(*(f"id{number}" for number, _ in enumerate(parts)), **named, **body)
    if inspect.isgenerator(found):
        list(found)
    ((method_name, asked, more),) = recorder.asked
    expected = path
    for number, one in enumerate(part for part in parts if part.name != "data"):
        expected = expected.replace(f"{{{one.name}}}", f"id{number}")
    assert (method_name, asked) == (verb, expected)
    wanted = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"} - {"page"}
    assert set(more.get("query") or {}) - {"page"} >= wanted
    if body:
        assert more["body"] == body
    assert method.__doc__


def test_a_name_that_is_an_address_stays_a_name() -> None:
    recorder, site = Recorder(), Portside("http://127.0.0.1:1")
    site.hosts._transport = recorder  # type: ignore[assignment]
    site.hosts.read("../jobs?x=1#y")
    assert recorder.asked[0][1] == "/api/v1/hosts/..%2Fjobs%3Fx%3D1%23y/"
    with pytest.raises(Exception, match="an id is missing"):
        site.hosts.read("..")
