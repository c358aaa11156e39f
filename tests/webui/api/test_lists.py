"""Lists: pages, search, order, filters, and a number of queries that does not grow."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from tests.webui.cast import Caller
from webui.accounts.models import Team
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.images.models import Image, RegistryCredential
from webui.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fleet(team: Team, host: Host) -> list[Container]:
    status = ("running", "stopped")
    return [
        Container.objects.create(
            id=f"{number:064x}",
            team=team,
            host=host,
            name=f"web-{number:02}",
            image="alpine",
            observed_status=status[number % 2],
        )
        for number in range(10)
    ]


def names(answer: Any) -> list[str]:
    return [row["name"] for row in answer.json()["results"]]


def test_a_list_comes_in_pages_that_link_to_one_another(owner: Caller, fleet: list[Container]) -> None:
    first = owner.get("containers/?page_size=4&ordering=name").json()
    assert (first["count"], first["previous"], len(first["results"])) == (10, None, 4)
    second = owner.get(first["next"]).json()
    third = owner.get(second["next"]).json()
    assert [row["name"] for page in (first, second, third) for row in page["results"]] == [c.name for c in fleet]
    assert third["next"] is None and owner.get(third["previous"]).json() == second


def test_a_container_in_a_list_is_as_it_is_by_itself(owner: Caller, fleet: list[Container]) -> None:
    """Lists read columns and remember what was asked for; the container itself is read whole."""
    specs: list[dict[str, Any]] = [
        {},
        {"ports": [{"container": 80, "protocol": "tcp"}], "env": {"A": "b"}, "labels": {"a": "é"}, "cpus": 0.5},
        {"privileged": True, "volumes": ["/etc:/etc", "data:/data"], "pids_limit": -1, "restart": "always"},
        {"read_only": True, "command": ["sleep", "5"], "entrypoint": [], "user": "1000"},
    ]
    port = {"container": 80, "host": 8080, "protocol": "tcp", "address": "127.0.0.1"}
    mounted = {"type": "volume", "name": "data", "source": "/secret", "destination": "/data", "read_only": False}
    result = {"start": 1.5, "end": 2.5, "exit_code": 0, "output": "ok"}
    health = {"status": "healthy", "failing_streak": 0, "log": [result]}
    for one, spec in zip(fleet, specs, strict=False):
        one.spec, one.ports, one.mounted, one.health = spec, [port] if spec else [], [mounted], health
        one.created_by, one.observed_userns, one.apparmor_profile = owner.user, "host", "unconfined"
        one.error, one.exit_code, one.started_at = "it broke", 3, one.created_at
        one.save()
    for _ in range(2):  # the second time from memory
        for query in ("", "?cursor="):
            for row in owner.get(f"containers/{query}").json()["results"]:
                assert row == owner.get(row["url"]).json()
    Container.objects.filter(pk=fleet[0].pk).update(spec={"labels": {"new": "1"}})
    assert [row["labels"] for row in owner.get("containers/?name=web-00").json()["results"]] == [{"new": "1"}]


def test_a_list_of_containers_is_three_queries_however_long_it_is(owner: Caller, fleet: list[Container]) -> None:
    """Who asks, how many there are, and the page with all that it shows."""
    for path, queries in (("containers/", 3), ("containers/?cursor=", 2)):
        owner.get(path)
        with CaptureQueriesContext(connection) as captured:
            owner.get(path)
        assert len(captured) == queries, [one["sql"] for one in captured]


def test_filters_search_and_order(owner: Caller, fleet: list[Container]) -> None:
    assert len(names(owner.get("containers/?status=running"))) == 5
    assert names(owner.get("containers/?name=web-03")) == ["web-03"]
    assert names(owner.get("containers/?search=WEB-0&ordering=-name"))[0] == "web-09"
    assert names(owner.get(f"containers/?search={fleet[4].pk[:64]}")) == ["web-04"]
    assert len(names(owner.get("containers/?host=pier"))) == 10
    assert names(owner.get("containers/?host=quay")) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=exited", "status"),
        ("ordering=password", "ordering"),
        ("ordering=team__memberships", "ordering"),
        ("page=0", "page"),
        ("page=x", "page"),
        ("page_size=1001", "page_size"),
        ("search=%00", "search"),
        ("page=٣", "page"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_named(
    owner: Caller, fleet: list[Container], query: str, field: str
) -> None:
    answer = owner.get(f"containers/?{query}")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_a_page_beyond_the_last_is_not_found(owner: Caller, fleet: list[Container]) -> None:
    assert owner.get("containers/?page=3&page_size=9").status_code == 404


@pytest.mark.parametrize("path", ["containers/", "images/", "jobs/", "hosts/", "registries/", "teams/", "tokens/"])
def test_the_number_of_queries_does_not_grow_with_the_rows(
    owner: Caller,
    fleet: list[Container],
    image: Image,
    job: Job,
    credential: RegistryCredential,
    path: str,
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(
            connection,
        ) as captured:
            assert owner.get(path).json()["count"] >= 1
        return len(captured)

    owner.get(path)
    before = queries()
    double(Container, Image, Job, RegistryCredential)
    assert queries() == before <= 6


def double(*models: Any) -> None:
    """Another row of each kind, owned by other objects, so that a join that is missing shows."""
    team = Team.objects.first()
    host = Host.objects.create(pk="h2", team=team, name="quay")
    Container.objects.create(id="f" * 64, team=team, host=host, name="x", image="alpine")
    Image.objects.create(team=team, host=host, image_id="sha256:2")
    Job.objects.create(team=team, host=host, kind="image.pull", command={})
    RegistryCredential.objects.create(team=team, registry="r2", username="u", encrypted_password="")


# -- cursors ----------------------------------------------------------------------------------------------


def made_cursor(*place: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode()


def test_a_cursor_follows_what_is_another_tables(owner: Caller, teammate: Caller, team: Team) -> None:
    first = owner.get(f"teams/{team.pk}/members/?ordering=username&page_size=1&cursor=").json()
    second = owner.get(first["next"]).json()
    found = [row["user"]["username"] for part in (first, second) for row in part["results"]]
    assert (found, second["next"]) == (["owner", "teammate"], None)


@pytest.mark.parametrize(
    "cursor",
    [
        made_cursor("-created_at", 5, "x"),
        made_cursor("-created_at", "0001-01-01T00:00:00+23:59", "x"),
        made_cursor("-created_at", "yesterday", "x"),
        base64.urlsafe_b64encode(b"[" * 1500).decode(),
    ],
)
def test_what_is_no_cursor_is_refused(owner: Caller, fleet: list[Container], cursor: str) -> None:
    answer = owner.get(f"containers/?cursor={cursor}")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["cursor"])


@pytest.mark.parametrize("path", ["audit/", "events/"])
def test_a_time_beyond_the_calendar_is_refused(owner: Caller, path: str) -> None:
    answer = owner.get(f"{path}?since=0001-01-01T00:00:00%2B23:59")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["since"])


# -- what each is searched by -----------------------------------------------------------------------------


def test_images_are_found_by_their_tags(owner: Caller, image: Image) -> None:
    assert owner.get("images/?search=library/alp").json()["count"] == 1
    assert owner.get("images/?search=nginx").json()["count"] == 0


def test_jobs_are_found_by_what_they_are_about(owner: Caller, job: Job) -> None:
    for query in ("status=queued", "kind=image.pull", "subject=alpine", "search=alp", "search=pull", "host=pier"):
        assert owner.get(f"jobs/?{query}").json()["count"] == 1, query
    assert owner.get("jobs/?status=failed").json()["count"] == 0


@pytest.mark.parametrize(
    ("path", "name", "message"),
    [
        ("containers/?limit=1", "limit", "There is no such parameter; did you mean page_size?"),
        ("containers/?q=web", "q", "There is no such parameter; did you mean search?"),
        ("containers/?serch=web", "serch", "There is no such parameter; did you mean search?"),
        ("containers/?team=x", "team", "There is no such parameter: known are cursor, "),
        ("containers/?zzz=bar&name=web-00", "zzz", "There is no such parameter: known are cursor, "),
        ("events/?limit=abc", "limit", "There is no such parameter; did you mean page_size?"),
        ("audit/?limit=-1", "limit", "There is no such parameter; did you mean page_size?"),
        ("volumes/?unused=maybe", "unused", "There is no such parameter: known are anonymous, "),
        ("volumes/?anonymous=maybe", "anonymous", "Choose one of true, false."),
        (f"containers/{0:064x}/logs/search/?query=ERROR", "query", "There is no such parameter; did you mean q?"),
        (f"jobs/{uuid.UUID(int=1)}/?follow=maybe", "follow", "Choose one of true, false."),
        ("jobs/?kind=x", "kind", "Choose one of "),
    ],
)
def test_what_a_list_does_not_know_is_refused_instead_of_passed_over(
    owner: Caller, fleet: list[Container], path: str, name: str, message: str
) -> None:
    answer = owner.get(path)
    assert answer.status_code == 400 and answer["Content-Type"] == "application/problem+json"
    assert list(answer.json()["errors"]) == [name]
    assert answer.json()["errors"][name][0].startswith(message)


def test_every_unknown_parameter_is_named_and_those_of_the_answer_pass(owner: Caller, fleet: list[Container]) -> None:
    answer = owner.get("containers/?foo=1&bar=2&name=web-00").json()
    assert list(answer["errors"]) == ["foo", "bar"] and "foo: There is" in answer["detail"]
    assert owner.get("containers/?fields=name&format=json&name=web-00&page_size=1").status_code == 200
    assert owner.delete(f"containers/{fleet[0].pk}/?forse=true").json()["errors"] == {
        "forse": ["There is no such parameter; did you mean force?"]
    }
