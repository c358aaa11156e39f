"""What holds for every endpoint: sparse fields, cursors, entity tags, idempotency keys, rates, batches."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import CONTAINER_ID, Caller
from webui.accounts import rates
from webui.accounts.models import ApiToken, Team
from webui.api.lists import cursor_write
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.images.models import RegistryCredential
from webui.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fleet(team: Team, host: Host) -> list[Container]:
    return [
        Container.objects.create(id=f"{number:064x}", team=team, host=host, name=f"web-{number:02}", image="alpine")
        for number in range(7)
    ]


# -- sparse fields ----------------------------------------------------------------------------------------


def test_only_the_fields_that_were_asked_for(owner: Caller, container: Container, host: Host) -> None:
    page = owner.get("containers/?fields=name,host.name,none-such").json()
    assert page["results"] == [{"name": "web", "host": {"name": host.name}}]
    assert page["count"] == 1
    assert owner.get(f"containers/{CONTAINER_ID}/?fields=id").json() == {"id": CONTAINER_ID}
    assert "detail" in owner.get(f"containers/{'f' * 64}/?fields=id").json()


# -- cursors ----------------------------------------------------------------------------------------------


def names_from(owner: Caller, path: str) -> list[str]:
    found: list[str] = []
    address: str | None = path
    while address:
        page = owner.get(address).json()
        assert page["count"] is None
        found += [row["name"] for row in page["results"]]
        address = page["next"]
    return found


@pytest.mark.parametrize("ordering", ["name", "-name", "created_at", "-created_at"])
def test_a_cursor_passes_everything_once(owner: Caller, fleet: list[Container], ordering: str) -> None:
    expected = [one.name for one in fleet]
    found = names_from(owner, f"containers/?cursor=&page_size=3&ordering={ordering}")
    assert found == (expected[::-1] if ordering.startswith("-") else expected)


def test_what_comes_and_goes_meanwhile_moves_nothing(owner: Caller, fleet: list[Container]) -> None:
    first = owner.get("containers/?cursor=&page_size=3&ordering=name").json()
    fleet[0].delete()
    second = owner.get(first["next"]).json()
    assert [row["name"] for row in second["results"]] == ["web-03", "web-04", "web-05"]


@pytest.mark.parametrize(
    "cursor",
    ["nonsense", "e30", "W10", cursor_write("-name", "x", 1), cursor_write("name", ["x"], 1), "%00", "A" * 5000],
)
def test_a_cursor_of_somebody_elses_making_is_refused(owner: Caller, fleet: list[Container], cursor: str) -> None:
    answer = owner.get(f"containers/?ordering=name&cursor={cursor}")
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["cursor"])


# -- entity tags ------------------------------------------------------------------------------------------


def test_what_is_known_is_not_sent_again(owner: Caller, container: Container) -> None:
    first = owner.get(f"containers/{CONTAINER_ID}/")
    again = owner.get(f"containers/{CONTAINER_ID}/", **{"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    Container.objects.update(name="other")
    changed = owner.get(f"containers/{CONTAINER_ID}/", **{"If-None-Match": first["ETag"]})
    assert (changed.status_code, changed.json()["name"]) == (200, "other")


def test_any_state_will_do_for_who_says_so(owner: Caller, credential: RegistryCredential) -> None:
    path = f"registries/{credential.pk}/"
    tag = owner.get(path)["ETag"]
    RegistryCredential.objects.update(username="somebody else")
    assert owner.call("delete", path, None, **{"If-Match": tag}).status_code == 412
    assert owner.call("delete", path, None, **{"If-Match": "*"}).status_code == 204


def test_a_removal_can_be_made_conditional(site_broker: Valkey, owner: Caller, container: Container) -> None:
    assert owner.call("delete", f"containers/{CONTAINER_ID}/", None, **{"If-Match": '"x"'}).status_code == 412
    assert Job.objects.count() == 0
    tag = owner.get(f"containers/{CONTAINER_ID}/")["ETag"]
    assert owner.call("delete", f"containers/{CONTAINER_ID}/?force=true", None, **{"If-Match": tag}).status_code == 202


def test_a_condition_tells_an_outsider_nothing(outsider: Caller, container: Container) -> None:
    answer = outsider.call("delete", f"containers/{CONTAINER_ID}/", None, **{"If-Match": '"x"'})
    assert answer.status_code == 404


# -- idempotency keys -------------------------------------------------------------------------------------


def test_what_is_sent_twice_is_done_once(site_broker: Valkey, owner: Caller, host: Host) -> None:
    body, key = {"reference": "alpine"}, {"Idempotency-Key": "7d8c"}
    first, second = (owner.call("post", "images/pull/", body, **key) for _ in range(2))
    assert (first.status_code, second.status_code, Job.objects.count()) == (202, 202, 1)
    assert first.json() == second.json()
    assert second["Idempotency-Replayed"] == "true" and "Idempotency-Replayed" not in first
    assert owner.call("post", "images/pull/", body, **{"Idempotency-Key": "other"}).status_code == 202
    assert Job.objects.count() == 2


def test_a_key_is_one_requests_and_one_callers(
    site_broker: Valkey, owner: Caller, outsider: Caller, host: Host
) -> None:
    key = {"Idempotency-Key": "7d8c"}
    assert owner.call("post", "images/pull/", {"reference": "alpine"}, **key).status_code == 202
    assert owner.call("post", "images/pull/", {"reference": "debian"}, **key).status_code == 422
    assert outsider.call("post", "images/pull/", {"reference": "alpine", "host": host.name}, **key).status_code == 404
    assert (
        owner.call("post", "images/pull/", {"reference": "alpine"}, **{"Idempotency-Key": "x" * 256}).status_code == 400
    )


@pytest.mark.parametrize("path", ["images/load/", "images/import/", "builds/contexts/"])
def test_an_upload_takes_no_key(site_broker: Valkey, owner: Caller, path: str) -> None:
    answer = owner.call("post", path, {}, **{"Idempotency-Key": "7d8c"})
    assert answer.status_code == 400 and "leave it out" in answer.json()["detail"]
    assert not site_broker.client().keys("portside:idempotency:*")


def test_an_answer_is_not_for_who_was_locked_out_since(site_broker: Valkey, owner: Caller, host: Host) -> None:
    key, body = {"Idempotency-Key": "7d8c"}, {"reference": "alpine"}
    assert owner.call("post", "images/pull/", body, **key).status_code == 202
    ApiToken.objects.all().delete()
    assert owner.call("post", "images/pull/", body, **key).status_code == 401
    assert Job.objects.count() == 1


def test_what_failed_may_be_tried_again(site_broker: Valkey, owner: Caller, host: Host) -> None:
    key = {"Idempotency-Key": "7d8c"}
    assert owner.call("post", "images/pull/", {"reference": "???"}, **key).status_code == 400
    assert owner.call("post", "images/pull/", {"reference": "alpine"}, **key).status_code == 202


def test_a_secret_is_not_kept_for_who_asks_again(site_broker: Valkey, owner: Caller) -> None:
    key = {"Idempotency-Key": "7d8c"}
    made = owner.call("post", "tokens/", {"name": "ci"}, **key)
    assert made.status_code == 201
    again = owner.call("post", "tokens/", {"name": "ci"}, **key)
    assert (again.status_code, again.json()["family"]) == (409, "already_exists")
    assert ApiToken.objects.filter(name="ci").count() == 1
    client = site_broker.client()
    kept = b"".join(client.get(name) for name in client.keys("portside:idempotency:*"))
    assert made.json()["token"].encode() not in kept


def test_nor_is_a_build_rules(site_broker: Valkey, owner: Caller, host: Host) -> None:
    rule = {"name": "app", "repository": "https://git.example.com/app.git", "names": ["app:{sha7}"]}
    made = owner.call("post", "builds/rules/", rule, **{"Idempotency-Key": "7d8c"})
    other = owner.call("post", f"{made.json()['rule']['url']}secret/", {}, **{"Idempotency-Key": "7d8d"})
    client = site_broker.client()
    kept = b"".join(client.get(name) for name in client.keys("portside:idempotency:*"))
    for answer in (made, other):
        assert kept and answer.json()["secret"].encode() not in kept


def test_nor_is_one_that_a_batch_has_asked_for(site_broker: Valkey, owner: Caller) -> None:
    body = {"requests": [{"method": "POST", "path": "/api/v1/tokens/", "body": {"name": "ci"}}]}
    made = owner.call("post", "batch/", body, **{"Idempotency-Key": "7d8c"})
    secret = made.json()["responses"][0]["body"]["token"]
    assert "no-store" in made["Cache-Control"]
    client = site_broker.client()
    kept = b"".join(client.get(name) for name in client.keys("portside:idempotency:*"))
    assert kept and secret.encode() not in kept


def test_what_is_under_way_is_not_begun_again(
    site_broker: Valkey, owner: Caller, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    from webui.api.views import images

    seen: list[int] = []
    begin = images.image_pull

    def slow(**named: Any) -> Any:
        seen.append(owner.call("post", "images/pull/", {"reference": "alpine"}, **{"Idempotency-Key": "k"}).status_code)
        return begin(**named)

    monkeypatch.setattr(images, "image_pull", slow)
    answer = owner.call("post", "images/pull/", {"reference": "alpine"}, **{"Idempotency-Key": "k"})
    assert (answer.status_code, seen) == (202, [409])


# -- rates ------------------------------------------------------------------------------------------------


@pytest.fixture
def slow_rate(settings: Any) -> None:
    settings.PORTSIDE = dataclasses.replace(settings.PORTSIDE, rate_limit=9)


def test_beyond_the_rate_it_is_said_when_to_come_again(slow_rate: None, owner: Caller, outsider: Caller) -> None:
    answers = [owner.get("hosts/") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert (answers[0]["RateLimit-Limit"], answers[0]["RateLimit-Remaining"]) == ("9", "2")
    assert int(answers[3]["Retry-After"]) >= 1
    assert answers[3].json()["family"] == "resource_exhausted"
    assert outsider.get("hosts/").status_code == 200  # one caller is not in another's way


@pytest.mark.parametrize("wrong", [{}, {"Authorization": "Bearer revoked"}])
def test_who_is_not_let_in_has_a_rate_too(
    slow_rate: None, nobody: Caller, owner: Caller, wrong: dict[str, str]
) -> None:
    first, second = (nobody.call("get", "hosts/", **wrong) for _ in range(2))
    assert (first.status_code, second.status_code) == (401, 429)
    assert "WWW-Authenticate" in first and int(second["Retry-After"]) >= 1
    assert owner.get("hosts/").status_code == 200


def test_there_may_be_no_limit(settings: Any, owner: Caller) -> None:
    settings.PORTSIDE = dataclasses.replace(settings.PORTSIDE, rate_limit=0)
    assert "RateLimit-Limit" not in owner.get("hosts/")


def test_a_bucket_fills_with_time() -> None:
    bucket = rates.Bucket(rate=1, burst=2, now=0)
    assert [bucket.take(0), bucket.take(0), bucket.take(0), bucket.take(0.5), bucket.take(1.5)] == [
        True, True, False, False, True,
    ]  # fmt: skip


# -- batches ----------------------------------------------------------------------------------------------


def test_many_requests_in_one_have_an_answer_each(site_broker: Valkey, teammate: Caller, container: Container) -> None:
    path = f"/api/v1/containers/{CONTAINER_ID}/"
    answer = teammate.post(
        "batch/",
        {
            "requests": [
                {"method": "GET", "path": f"{path}?fields=name"},
                {"method": "POST", "path": f"{path}stop/", "body": {"timeout_seconds": 1}},
                {"method": "POST", "path": f"{path}stop/", "body": {"nonsense": 1}},
                {"method": "DELETE", "path": path},
                {"method": "GET", "path": "/api/v1/none/"},
                {"method": "POST", "path": "/api/v1/batch/", "body": {"requests": []}},
                {"method": "GET", "path": "/settings/"},
            ]
        },
    )
    assert answer.status_code == 200, answer.content
    said = answer.json()["responses"]
    assert [one["status"] for one in said] == [200, 202, 400, 403, 404, 400, 400]
    assert said[0]["body"] == {"name": "web"}
    assert Job.objects.get().kind == "container.stop"


def test_a_batch_is_nobodys_way_in(outsider: Caller, nobody: Caller, container: Container) -> None:
    body = {"requests": [{"method": "GET", "path": f"/api/v1/containers/{CONTAINER_ID}/"}]}
    assert nobody.post("batch/", body).status_code == 401
    assert [one["status"] for one in outsider.post("batch/", body).json()["responses"]] == [404]
    assert outsider.post("batch/", {"requests": body["requests"] * 101}).status_code == 400
