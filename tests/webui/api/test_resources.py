"""Hosts, images, jobs, teams, tokens and registries over REST."""

from __future__ import annotations

import uuid

import pytest

from tests.support.valkey import Valkey
from tests.webui.cast import CONTAINER_ID, IMAGE_ID, Caller
from webui.accounts.models import ApiToken, Team
from webui.containers.models import Container
from webui.hosts.models import Host
from webui.images.models import Image, RegistryCredential
from webui.images.services import job_secrets
from webui.jobs.models import Job

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_host_is_read_by_its_id(owner: Caller, host: Host) -> None:
    shown = owner.get(f"hosts/{host.pk}/").json()
    assert (shown["name"], shown["online"], shown["team"]["name"]) == ("pier", True, "Harbour")


def test_a_pull_becomes_a_job_with_the_canonical_reference(site_broker: Valkey, owner: Caller, host: Host) -> None:
    answer = owner.post("images/pull/", {"reference": " alpine "})
    assert answer.status_code == 202
    job = Job.objects.get()
    assert (job.command["reference"], job.subject) == ("docker.io/library/alpine:latest", "alpine:latest")
    shown = owner.get(answer.json()["job"]["url"]).json()
    assert (shown["status"], shown["kind"], shown["requested_by"]) == ("queued", "image.pull", "owner")


def test_a_reference_that_is_none_is_named(site_broker: Valkey, owner: Caller, host: Host) -> None:
    answer = owner.post("images/pull/", {"reference": "https://x/y"})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["reference"])


def test_the_starter_image_is_one_call(site_broker: Valkey, owner: Caller, host: Host) -> None:
    assert owner.post("images/starter/").status_code == 202
    assert Job.objects.get().kind == "image.starter"


def test_an_image_is_removed_by_a_job(site_broker: Valkey, owner: Caller, image: Image) -> None:
    assert owner.delete(f"images/{image.pk}/?force=true").status_code == 202
    assert Job.objects.get().command == {"kind": "image.remove", "image": IMAGE_ID, "force": True}


def test_a_teammate_may_not_pull_or_remove(site_broker: Valkey, teammate: Caller, image: Image) -> None:
    assert teammate.post("images/pull/", {"reference": "alpine"}).status_code == 403
    assert teammate.delete(f"images/{image.pk}/").status_code == 403
    assert teammate.post("images/starter/").status_code == 403


def test_a_running_container_is_removed_only_by_force(site_broker: Valkey, owner: Caller, container: Container) -> None:
    answer = owner.delete(f"containers/{CONTAINER_ID}/")
    assert (answer.status_code, answer.json()["family"]) == (409, "conflict")
    assert owner.delete(f"containers/{CONTAINER_ID}/?force=true").status_code == 202
    container.refresh_from_db()
    assert (container.desired_status, container.observed_status) == ("removed", "running")
    assert owner.delete(f"containers/{CONTAINER_ID}/?force=yes").status_code == 400


def test_a_running_container_is_stopped_and_removed_by_one_job(
    site_broker: Valkey, owner: Caller, container: Container
) -> None:
    refusals = [owner.delete(f"containers/{CONTAINER_ID}/?stop=true&timeout_seconds={bad}") for bad in ("-1", "soon")]
    assert [answer.status_code for answer in refusals] == [400, 400]
    assert "timeout_seconds" in refusals[0].json()["errors"]
    assert owner.delete(f"containers/{CONTAINER_ID}/?stop=true&timeout_seconds=2.5").status_code == 202
    command = Job.objects.get().command
    assert (command["kind"], command["stop"], command["timeout_seconds"]) == ("container.remove", True, 2.5)
    container.refresh_from_db()
    assert container.desired_status == "removed"


def test_a_container_is_removed_with_its_volumes_if_that_is_asked(
    site_broker: Valkey, owner: Caller, container: Container
) -> None:
    assert owner.delete(f"containers/{CONTAINER_ID}/?force=true&volumes=true").status_code == 202
    command = Job.objects.get().command
    assert (command["kind"], command["volumes"]) == ("container.remove", True)


def test_a_job_is_cancelled_by_those_who_may_operate(site_broker: Valkey, teammate: Caller, job: Job) -> None:
    answer = teammate.post(f"jobs/{job.pk}/cancel/")
    assert (answer.status_code, answer.json()["cancel_requested"]) == (202, True)
    Job.objects.update(status="succeeded")
    assert teammate.post(f"jobs/{job.pk}/cancel/").status_code == 409


@pytest.mark.parametrize(
    "path", ["jobs/not-a-uuid/", "containers/web/", "images/x/", f"containers/{'C0' * 32}/", "hosts/x/"]
)
def test_a_malformed_id_is_not_found(owner: Caller, path: str) -> None:
    answer = owner.get(path)
    assert (answer.status_code, answer.json()["family"]) == (404, "not_found")


def test_teams_are_shown_with_the_callers_role(teammate: Caller, outsider: Caller) -> None:
    assert [(row["name"], row["role"]) for row in teammate.get("teams/").json()["results"]] == [("Harbour", "operator")]


def test_a_token_is_shown_once_and_works_until_it_is_revoked(owner: Caller, nobody: Caller) -> None:
    answer = owner.post("tokens/", {"name": "ci"})
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    secret, token_id = answer.json()["token"], answer.json()["id"]
    nobody.headers = {"Authorization": f"Bearer {secret}"}
    listed = nobody.get("tokens/")
    assert listed.status_code == 200 and secret not in listed.content.decode()
    assert not ApiToken.objects.filter(digest=secret).exists()
    assert owner.delete(f"tokens/{token_id}/").status_code == 204
    assert nobody.get("tokens/").status_code == 401


def test_a_limited_token_shows_its_limits_and_is_held_to_them(owner: Caller, nobody: Caller, team: Team) -> None:
    answer = owner.post("tokens/", {"name": "ci", "scopes": ["read"], "team": str(team.pk), "days": 30})
    made = answer.json()
    assert (made["scopes"], made["team"]["name"]) == (["read"], "Harbour") and made["expires_at"]
    nobody.headers = {"Authorization": f"Bearer {made['token']}"}
    assert nobody.get("teams/").json()["count"] == 1
    assert nobody.call("patch", f"teams/{team.pk}/", {"keep_logs_days": 1}).status_code == 403
    for refused in (nobody.post("tokens/", {"name": "child"}), nobody.delete(f"tokens/{uuid.uuid4()}/")):
        assert (refused.status_code, refused.json()["family"]) == (403, "permission_denied")
    assert nobody.delete(f"tokens/{made['id']}/").status_code == 204
    assert nobody.get("teams/").status_code == 401


def test_a_token_is_not_made_for_a_team_of_others(outsider: Caller, team: Team) -> None:
    answer = outsider.post("tokens/", {"name": "ci", "team": str(team.pk)})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["team"])


def test_other_peoples_tokens_can_not_be_revoked(owner: Caller, teammate: Caller) -> None:
    token = ApiToken.objects.get(user=owner.user)
    assert teammate.delete(f"tokens/{token.pk}/").status_code == 404
    assert ApiToken.objects.filter(pk=token.pk).exists()
    assert owner.delete(f"tokens/{uuid.uuid4()}/").status_code == 404


@pytest.mark.parametrize("header", ["Bearer", "Bearer x", "Basic YTpi", "bearer ps_" + "x" * 43, "Bearer ps_\xe9"])
def test_a_wrong_authorization_is_refused_and_says_so(nobody: Caller, header: str) -> None:
    answer = nobody.get("hosts/", Authorization=header)
    assert (answer.status_code, answer.json()["family"]) == (401, "unauthenticated")


def test_a_session_writes_only_with_its_csrf_token(site_broker: Valkey, owner: Caller, host: Host) -> None:
    from django.test import Client

    client = Client(enforce_csrf_checks=True)
    client.force_login(owner.user)
    body = {"data": {"reference": "alpine"}, "content_type": "application/json"}
    assert client.get("/api/v1/hosts/").status_code == 200
    assert client.post("/api/v1/images/pull/", **body).status_code == 403
    assert not Job.objects.exists()
    client.get("/login/")
    from django.middleware.csrf import _get_new_csrf_string

    token = _get_new_csrf_string()
    client.cookies["csrftoken"] = token
    assert client.post("/api/v1/images/pull/", **body, headers={"X-CSRFToken": token}).status_code == 202


def test_a_registrys_password_goes_in_and_never_comes_out(site_broker: Valkey, owner: Caller, host: Host) -> None:
    body = {"registry": "https://Registry.example.com:5000/", "username": "ann", "password": "s3cret"}
    answer = owner.post("registries/", body)
    assert answer.status_code == 201
    assert (answer.json()["registry"], answer.json()["username"]) == ("registry.example.com:5000", "ann")
    for shown in (answer, owner.get("registries/")):
        assert "s3cret" not in shown.content.decode()
    owner.post("registries/", {**body, "password": "newer"})
    owner.post("images/pull/", {"reference": "registry.example.com:5000/app"})
    secrets = job_secrets(Job.objects.get())
    assert secrets is not None and (secrets["username"], secrets["password"]) == ("ann", "newer")
    assert owner.delete(f"registries/{RegistryCredential.objects.get().pk}/").status_code == 204
    assert job_secrets(Job.objects.get()) is None


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"registry": "not a host"}, "registry"),
        ({"registry": "a/b"}, "registry"),
        ({"registry": ""}, "registry"),
        ({"username": ""}, "username"),
        ({"password": ""}, "password"),
        ({"team": "Lighthouse"}, "team"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_wrong_credential_is_named(owner: Caller, wish: dict[str, str], field: str) -> None:
    answer = owner.post("registries/", {"registry": "docker.io", "username": "a", "password": "b", **wish})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


def test_a_teammate_stores_and_deletes_no_credentials(teammate: Caller, credential: RegistryCredential) -> None:
    body = {"registry": "docker.io", "username": "a", "password": "b"}
    assert teammate.post("registries/", body).status_code == 403
    assert teammate.delete(f"registries/{credential.pk}/").status_code == 403
    assert teammate.get("registries/").json()["count"] == 1
