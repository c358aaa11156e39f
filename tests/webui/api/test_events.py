"""`GET /api/v1/events/`: pages, filters, and whose events one sees."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.webui.cast import CONTAINER_ID, Caller
from webui.accounts.models import Team
from webui.activity.models import Event
from webui.activity.representation import event_as_json
from webui.api import schemas
from webui.hosts.models import Host

pytestmark = pytest.mark.django_db


@pytest.fixture
def seven(host: Host, team: Team) -> list[Event]:
    """A container's life and its image's, ten seconds apart, and one event of another team."""
    told: list[tuple[str, str, dict[str, Any]]] = [
        ("image", "pull", {"actor_id": "sha256:1", "name": "alpine:3"}),
        ("container", "create", {"labels": {"tier": "front", "a.b/c": "1"}}),
        ("container", "start", {}),
        ("container", "exec_start: ls -l", {}),
        ("container", "die", {"attributes": {"exitCode": "3"}}),
        (
            "container",
            "destroy",
            {"actor_id": "d" * 64, "container_id": "d" * 64, "name": "db", "image": "docker.io/library/postgres:17"},
        ),
    ]
    rows = [
        Event(
            host=host,
            team=team,
            seq=number + 1,
            at=datetime.fromtimestamp(1000 + 10 * number, UTC),
            type=kind,
            verb=action.partition(":")[0],
            action=action,
            **{
                "actor_id": CONTAINER_ID,
                "container_id": CONTAINER_ID if kind == "container" else "",
                "name": "web",
                "image": "alpine:3" if kind == "container" else "",
                **more,
            },
        )
        for number, (kind, action, more) in enumerate(told)
    ]
    dock = Team.objects.create(name="Dock")
    rows.append(
        Event(host=host, team=dock, seq=7, at=datetime.fromtimestamp(1060, UTC), type="container", verb="stop",
              action="stop", actor_id="e" * 64, container_id="e" * 64, name="web")
    )  # fmt: skip
    for row in rows:
        row.save()
    return rows


def got(caller: Caller, query: str = "") -> list[str]:
    answer = caller.get(f"events/{query}")
    assert answer.status_code == 200, answer.content
    return [event["action"] for event in answer.json()["results"]]


def test_events_come_in_order_page_by_page_from_any_point(owner: Caller, seven: list[Event]) -> None:
    assert got(owner) == ["pull", "create", "start", "exec_start: ls -l", "die", "destroy"]
    walked, path = [], "events/?page_size=4"
    while path:
        page = owner.get(path).json()
        walked += [event["id"] for event in page["results"]]
        path = page["next"]
    assert walked == [event.pk for event in seven[:6]]
    assert got(owner, f"?after={seven[3].pk}") == ["die", "destroy"]
    assert got(owner, f"?ordering=-id&before={seven[2].pk}") == ["create", "pull"]
    newest = owner.get("events/?ordering=-id&page_size=5").json()
    assert newest["results"][0]["action"] == "destroy" and f"before={seven[1].pk}" in newest["next"]


@pytest.mark.parametrize(
    ("query", "actions"),
    [
        ("?since=1040", ["die", "destroy"]),
        ("?since=1970-01-01T00:16:50Z&until=1040", ["create", "start", "exec_start: ls -l"]),
        ("?type=image", ["pull"]),
        ("?event=exec_start&event=die", ["exec_start: ls -l", "die"]),
        ("?event=exec_start: ls -l", ["exec_start: ls -l"]),
        ("?container=web&event=die", ["die"]),
        (f"?container={CONTAINER_ID}&event=start", ["start"]),
        ("?container=db", ["destroy"]),
        ("?image=alpine:3&type=image", ["pull"]),
        ("?image=postgres", ["destroy"]),
        ("?image=postgres:17", ["destroy"]),
        ("?image=docker.io/library/postgres", ["destroy"]),
        ("?image=postgres:1", []),
        ("?image=post", []),
        ("?image=alpine&type=image", ["pull"]),
        ("?image=postgres&image=Not an image", ["destroy"]),
        ("?label=tier", ["create"]),
        ("?label=tier=front&label=a.b/c=1", ["create"]),
        ("?label=tier=back", []),
        ("?host=pier&event=die", ["die"]),
        ("?host=quay", []),
        ("?team=Harbour&event=die", ["die"]),
        ("?team=Dock", []),
        ("?team=8a1d3b1e-0000-4000-8000-000000000009", []),
    ],
)
def test_filters_are_dockers(owner: Caller, seven: list[Event], query: str, actions: list[str]) -> None:
    assert got(owner, query) == actions


def test_viewers_see_what_is_theirs(outsider: Caller, teammate: Caller, seven: list[Event]) -> None:
    assert got(outsider) == [] and got(outsider, "?container=web") == [] and got(outsider, "?team=Harbour") == []
    assert "stop" not in got(teammate)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("since=yesterday", "since"),
        ("until=1970-01-01T00:00:00", "until"),
        ("since=1e400", "since"),
        ("after=-1", "after"),
        ("before=x", "before"),
        ("type=planet", "type"),
        ("label=%00", "label"),
        ('label=a"b=1', "label"),
        ("ordering=at", "ordering"),
        ("page_size=0", "page_size"),
        ("&".join(["event=a"] * 21), "event"),
    ],
)
def test_what_can_not_be_asked_is_named(owner: Caller, db: None, query: str, name: str) -> None:
    answer = owner.get(f"events/?{query}")
    assert answer.status_code == 400 and list(answer.json()["errors"]) == [name]


def test_an_event_looks_as_the_document_says(owner: Caller, seven: list[Event]) -> None:
    found = event_as_json(seven[4])
    assert set(found) == set(schemas.EventSchema().fields)
    assert found["actor"] == {
        "id": CONTAINER_ID,
        "attributes": {"exitCode": "3", "image": "alpine:3", "name": "web"},
    }
    assert found["at"] == "1970-01-01T00:17:20.000000Z"
