"""Builds over REST: who may, what the host is asked, what is refused before, and what becomes of secrets."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.support.valkey import Valkey
from tests.webui.cast import BUILD_ID, CONTEXT_ID, IMAGE_ID, Caller
from webui.accounts.models import Team
from webui.builds import services
from webui.builds.contexts import contexts_trim
from webui.builds.models import Build, BuildContext
from webui.builds.services import build_secrets
from webui.hosts.models import Host
from webui.jobs.models import Job
from webui.jobs.services import job_apply
from worker.contract import keys

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = {"dockerfile_text": "FROM alpine\n", "tags": ["app:2"]}


def test_builds_are_listed_and_read_with_their_steps(owner: Caller, build: Build) -> None:
    shown = owner.get("builds/").json()["results"]
    assert [(row["id"], row["name"], row["status"], row["steps"], row["steps_cached"]) for row in shown] == [
        (BUILD_ID, "app:1", "succeeded", 2, 1)
    ]
    assert owner.get(shown[0]["url"]).json() == shown[0]
    steps = owner.get(f"builds/{BUILD_ID}/steps/").json()["steps"]
    assert [(step["name"], step["state"], step["seconds"]) for step in steps] == [
        ("[1/2] FROM alpine", "cached", None),
        ("[2/2] RUN true", "done", 1.5),
    ]


@pytest.mark.parametrize(
    ("query", "count"),
    [("search=APP", 1), ("search=no", 0), ("status=succeeded", 1), ("status=failed", 0), ("host=pier", 1)],
)
def test_filters_narrow_the_list_down(owner: Caller, build: Build, query: str, count: int) -> None:
    assert owner.get(f"builds/?{query}").json()["count"] == count


def test_a_typed_dockerfile_is_built_by_a_job(site_broker: Valkey, owner: Caller, host: Host, team: Team) -> None:
    answer = owner.post("builds/", {**TEXT, "build_args": {"A": "1"}, "no_cache": True, "cpus": 0.5})
    assert answer.status_code == 202
    job = Job.objects.get()
    assert answer.json()["job"]["id"] == str(job.pk)
    command = job.command
    assert (command["kind"], command["build_id"]) == ("image.build", answer.json()["build"]["id"])
    assert (command["scope"], command["tags"]) == (str(team.pk), ["docker.io/library/app:2"])
    assert (command["dockerfile_text"], command["context"]) == ("FROM alpine\n", None)
    assert (command["build_args"], command["no_cache"], command["cpus"]) == ({"A": "1"}, True, 0.5)


def test_a_folder_that_was_sent_is_built_on_its_own_host(site_broker: Valkey, owner: Caller, build: Build) -> None:
    answer = owner.post("builds/", {"context": CONTEXT_ID, "dockerfile": "docker/Dockerfile", "tags": ["app:3"]})
    assert answer.status_code == 202
    assert answer.json()["build"]["context"]["name"] == "app"
    command = Job.objects.latest("created_at").command
    assert (command["context"], command["dockerfile"]) == (CONTEXT_ID, "docker/Dockerfile")


@pytest.mark.parametrize(
    ("wish", "fields", "status"),
    [
        ({}, ["dockerfile_text"], 400),
        ({"dockerfile_text": ""}, ["dockerfile_text"], 400),
        ({**TEXT, "tags": ["A"]}, ["tags"], 400),
        ({**TEXT, "tag": "a"}, ["tag"], 400),
        ({**TEXT, "network": "host"}, ["network"], 403),
        ({**TEXT, "network": "bridge"}, ["network"], 400),
        ({**TEXT, "context": "nothing"}, ["context"], 400),
        ({**TEXT, "context": "0" * 32}, ["context"], 400),
        ({**TEXT, "host": "nowhere"}, ["host"], 404),
    ],
)
def test_what_can_not_be_or_may_not_be_is_refused_at_its_field(
    site_broker: Valkey, owner: Caller, host: Host, wish: dict[str, Any], fields: list[str], status: int
) -> None:
    answer = owner.post("builds/", wish)
    assert (answer.status_code, list(answer.json()["errors"])) == (status, fields)
    assert not Job.objects.exists() and not Build.objects.exists()


def test_who_may_not_create_builds_nothing(site_broker: Valkey, teammate: Caller, build: Build) -> None:
    before = Job.objects.count()
    assert teammate.get(f"builds/{BUILD_ID}/").status_code == 200
    for path, body in (("builds/", TEXT), (f"builds/{BUILD_ID}/again/", {}), ("builds/prune/", {})):
        assert teammate.post(path, body).status_code == 403, path
    assert teammate.post("builds/contexts/").status_code == 403
    assert teammate.delete(f"builds/{BUILD_ID}/").status_code == 403
    assert Job.objects.count() == before


def test_another_teams_folder_is_no_folder(site_broker: Valkey, outsider: Caller, build: Build) -> None:
    answer = outsider.post("builds/", {"context": CONTEXT_ID})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["context"])


def test_a_secret_travels_with_the_task_is_sealed_at_rest_and_gone_at_the_end(
    site_broker: Valkey, owner: Caller, host: Host
) -> None:
    answer = owner.post("builds/", {**TEXT, "secrets": {"token": "s3cret-value"}})
    assert answer.status_code == 202 and "s3cret-value" not in answer.content.decode()
    build, job = Build.objects.get(), Job.objects.get()
    task = json.dumps([entry.decode() for entry in site_broker.client().lrange(keys.queue(host.pk), 0, -1)])
    assert task  # it is on its way to the host
    assert build.wish["secrets"] == ["token"]
    assert "s3cret-value" not in json.dumps([build.wish, job.command, build.secrets])
    assert (build_secrets(job) or {})["build"] == {"token": "s3cret-value"}
    once = json.dumps({"ssh": "x", "token": "y"})  # sealed before builds had SSH keys
    Build.objects.update(secrets=services._SEAL.close(once))
    assert (build_secrets(job) or {})["build"] == {"ssh": "x", "token": "y"}
    job_apply(job=job, finished={"status": "failed", "at": timezone.now(), "error": {"family": "internal"}})
    assert Build.objects.get().secrets == ""
    assert (build_secrets(job) or {})["build"] == {}


def test_the_end_of_its_job_brings_steps_and_image(site_broker: Valkey, owner: Caller, host: Host) -> None:
    owner.post("builds/", TEXT)
    job = Job.objects.get()
    steps = [{"id": "a", "name": "FROM alpine", "state": "done", "seconds": 0.1}]
    result = {"image_id": IMAGE_ID, "steps": steps}
    job_apply(job=job, finished={"status": "succeeded", "at": timezone.now(), "result": result})
    shown = owner.get("builds/").json()["results"][0]
    assert (shown["status"], shown["image_id"], shown["steps"]) == ("succeeded", IMAGE_ID, 1)


def test_the_same_again_with_changes(site_broker: Valkey, owner: Caller, build: Build) -> None:
    answer = owner.post(f"builds/{BUILD_ID}/again/", {"no_cache": True})
    assert answer.status_code == 202
    again = answer.json()["build"]
    assert (again["again_of"], again["wish"]["no_cache"], again["wish"]["build_args"]) == (BUILD_ID, True, {"A": "1"})
    command = Job.objects.latest("created_at").command
    assert (command["context"], command["tags"]) == (CONTEXT_ID, ["docker.io/library/app:1"])
    assert owner.post(f"builds/{BUILD_ID}/again/", {"host": "pier"}).status_code == 400


def test_secrets_have_to_be_given_again(site_broker: Valkey, owner: Caller, build: Build) -> None:
    build.wish["secrets"] = ["token"]
    build.save()
    answer = owner.post(f"builds/{BUILD_ID}/again/", {})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["secrets"])
    assert owner.post(f"builds/{BUILD_ID}/again/", {"secrets": {"token": "x"}}).status_code == 202


def test_one_that_has_ended_is_forgotten(site_broker: Valkey, owner: Caller, build: Build) -> None:
    Job.objects.update(status="running")
    assert owner.delete(f"builds/{BUILD_ID}/").status_code == 409
    Job.objects.update(status="succeeded")
    assert owner.delete(f"builds/{BUILD_ID}/").status_code == 204
    assert not Build.objects.exists()
    assert Job.objects.latest("created_at").command == {"kind": "build.forget", "build_id": BUILD_ID}


def test_the_cache_is_pruned_by_a_job(site_broker: Valkey, owner: Caller, host: Host) -> None:
    assert owner.post("builds/prune/", {"unused_seconds": 3600, "keep_bytes": 1024}).status_code == 202
    command = Job.objects.get().command
    assert (command["kind"], command["scope"]) == ("build.prune", str(host.team_id))
    assert (command["unused_seconds"], command["keep_bytes"]) == (3600.0, 1024)
    assert owner.post("builds/prune/", {"keep_bytes": -1}).status_code == 400


def test_a_folder_is_taken_only_by_a_host_that_is_there(site_broker: Valkey, owner: Caller, host: Host) -> None:
    assert owner.post("builds/contexts/?name=app").status_code == 503  # Django alone: the ASGI side would go on
    Host.objects.update(heartbeat_at=None)
    answer = owner.post("builds/contexts/")
    assert answer.status_code == 503 and host.name in answer.json()["detail"]
    assert not BuildContext.objects.exists()


def fail(build: Build, **more: Any) -> None:
    detail = {"image": "sha256:" + "fa" * 32, "exit_code": 3}
    error = {"family": "invalid_argument", "message": "exit code 3", "detail": detail}
    Job.objects.filter(pk=build.job_id).update(
        **{"status": "failed", "error": error, "finished_at": timezone.now(), **more}
    )


def test_a_shell_in_a_failed_step_is_a_container_of_what_it_left(
    site_broker: Valkey, owner: Caller, teammate: Caller, build: Build
) -> None:
    assert owner.post(f"builds/{BUILD_ID}/shell/").status_code == 404
    fail(build)
    assert teammate.post(f"builds/{BUILD_ID}/shell/").status_code == 403
    answer = owner.post(f"builds/{BUILD_ID}/shell/")
    assert answer.status_code == 202, answer.content
    command = Job.objects.get(kind="container.create").command
    assert command["image"] == "sha256:" + "fa" * 32
    assert (command["entrypoint"], command["auto_remove"]) == (["/bin/sh", "-c", "sleep 1800"], True)
    assert answer.json()["container"]["labels"] == {"portside.failed-step": BUILD_ID}
    fail(build, finished_at=timezone.now() - timedelta(minutes=31))
    assert owner.post(f"builds/{BUILD_ID}/shell/").status_code == 409


def test_two_builds_are_compared(owner: Caller, outsider: Caller, build: Build) -> None:
    job = Job.objects.get(pk=build.job_id)
    job.pk = None
    job.save()
    steps = [
        {**build.steps[0], "name": "[1/3] FROM alpine"},
        {**build.steps[1], "name": "[2/3] RUN true", "state": "cached"},
        {**build.steps[1], "id": "0.3", "name": "[3/3] RUN more", "state": "done", "seconds": 2.0, "size_bytes": 10},
    ]
    other = Build.objects.create(
        team=build.team, host=build.host, job=job, name="app:1", steps=steps, wish={**build.wish, "target": "x"}
    )
    found = owner.get(f"builds/{other.pk.hex}/compare/{BUILD_ID}/").json()
    rows = [(row["name"], row["before"] and row["before"]["state"], row["after"]["state"]) for row in found["steps"]]
    assert rows == [("FROM alpine", "cached", "cached"), ("RUN true", "done", "cached"), ("RUN more", None, "done")]
    assert (found["before"]["cached"], found["after"]["cached"]) == (1, 2)
    assert [row["name"] for row in found["wish"]] == ["target"]
    assert outsider.get(f"builds/{other.pk.hex}/compare/{BUILD_ID}/").status_code == 404


def test_folders_that_hosts_have_deleted_are_forgotten(owner: Caller, build: Build) -> None:
    now = timezone.now()
    assert build.context is not None
    BuildContext.objects.update(created_at=now - timedelta(days=30))
    assert contexts_trim(now=now) == 0  # a build has read it just now
    Build.objects.update(created_at=now - timedelta(days=9))
    Job.objects.filter(pk=build.job_id).update(finished_at=None)
    assert contexts_trim(now=now) == 0  # one still waits for it
    Job.objects.filter(pk=build.job_id).update(finished_at=now)
    assert contexts_trim(now=now) == 1
    assert owner.get(f"builds/{BUILD_ID}/").json()["context"] is None
