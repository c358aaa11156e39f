"""Searching: Docker Hub's answers, catalogs of others, and what is neither."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from engine.errors import InvalidArgument, NotFound
from engine.oci.document import InvalidDocument
from engine.registry.searching import Repository, search
from engine.registry.transport import Call


class Played:
    """In the place of a transport: answers by the path's beginning."""

    host = "registry.example.com"

    def __init__(self, **answers: Any) -> None:
        self.answers, self.asked = answers, []

    def answer(self, call: Call) -> Any:
        self.asked.append(call.path)
        for beginning, said in self.answers.items():
            if call.path.startswith(f"/{beginning.replace('__', '/')}"):
                if isinstance(said, Exception):
                    raise said
                status, body = said
                return SimpleNamespace(status=status, body=json.dumps(body).encode(), headers={})
        raise NotFound("nothing there")


def test_docker_hubs_search_is_read_with_care() -> None:
    results = [
        {"name": "alpine", "description": "small", "star_count": 9, "is_official": True, "is_automated": False},
        {"name": "odd", "description": None, "star_count": "many", "is_official": "yes"},
        {"name": 5},
        "nonsense",
    ]
    hub = Played(v1__search=(200, {"results": results}))
    assert search(hub, "alp ine", 10) == [
        Repository(name="alpine", description="small", stars=9, is_official=True),
        Repository(name="odd"),
    ]
    assert hub.asked == ["/v1/search?q=alp+ine&n=10"]
    assert len(search(hub, "a", 1)) == 1


def test_a_registry_without_search_is_looked_through() -> None:
    registry = Played(v1__search=(404, {}), v2___catalog=(200, {"repositories": ["team/app", "team/db", "other"]}))
    assert [one.name for one in search(registry, "team/", 10)] == ["team/app", "team/db"]
    assert [one.name for one in search(registry, "team/", 1)] == ["team/app"]


def test_what_has_neither_says_so() -> None:
    with pytest.raises(NotFound, match="can't be searched"):
        search(Played(v1__search=(404, {}), v2___catalog=NotFound("no")), "a", 5)


@pytest.mark.parametrize("body", [{"repositories": "all"}, {"repositories": [1]}, []])
def test_a_catalog_that_is_none_is_refused(body: Any) -> None:
    with pytest.raises((InvalidDocument, InvalidArgument)):
        search(Played(v1__search=(404, {}), v2___catalog=(200, body)), "a", 5)
